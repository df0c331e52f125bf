// Channels: reading, changing, testing. Lists never carry keys.
import { queryOptions } from "@tanstack/react-query";
import { api, type ListQuery } from "@/shared/api/client";
import { readJsonObject } from "@/shared/api/json-text";
import type { Channel } from "@/shared/api/types";

export const CHANNELS = ["channels"] as const;

export function listChannels(list: ListQuery, signal: AbortSignal) {
  const { keyword, group, model } = list.filters ?? {};
  const path = keyword || group || model ? "/api/channel/search" : "/api/channel/";
  return api.getPage<Channel>(path, "from0", list, signal);
}

export const channelQuery = (id: number) =>
  queryOptions({ queryKey: [...CHANNELS, "one", id], queryFn: ({ signal }) => api.get<Channel>(`/api/channel/${id}`, { signal }), staleTime: 0 });

/** Every channel, for tags, export and progress; at most 2 000 rows in pages of 1 000. */
export async function allChannels(signal?: AbortSignal): Promise<Channel[]> {
  const rows: Channel[] = [];
  for (let page = 1; page <= 20; page++) {
    const reply = await api.getPage<Channel>("/api/channel/", "from0", { page, pageSize: 1000, filters: { id_sort: true } }, signal);
    rows.push(...reply.items);
    if (rows.length >= reply.total || reply.items.length === 0) break;
  }
  return rows;
}
export const allChannelsQuery = queryOptions({ queryKey: [...CHANNELS, "all"], queryFn: ({ signal }) => allChannels(signal), staleTime: 5000 });

export const groupsQuery = queryOptions({ queryKey: ["groups"], queryFn: ({ signal }) => api.get<string[]>("/api/group/", { signal }), staleTime: 60_000 });
export const typeModelsQuery = queryOptions({
  queryKey: ["models", "by-type"],
  queryFn: ({ signal }) => api.get<Record<string, string[]>>("/api/models", { signal }),
  staleTime: 300_000,
});
export const knownModelsQuery = queryOptions({
  queryKey: ["models", "known"],
  queryFn: async ({ signal }) => [...new Set((await api.get<{ id: string }[]>("/api/channel/models", { signal })).map((model) => model.id))].sort(),
  staleTime: 300_000,
});

export type ChannelWrite = Partial<Omit<Channel, "id">> & { id?: number };
export const createChannel = (body: ChannelWrite) => api.post<number[]>("/api/channel/", body);
export const updateChannel = (body: ChannelWrite & { id: number }) => api.put<Channel>("/api/channel/", body);
export const deleteChannels = (ids: number[]) => (ids.length === 1 ? api.delete<null>(`/api/channel/${ids[0]}`) : api.post<number>("/api/channel/batch", { ids }));
export const tagChannels = (ids: number[], tag: string | null) => api.post<number>("/api/channel/batch/tag", { ids, tag });
export const copyChannel = (id: number) => api.post<{ id: number }>(`/api/channel/copy/${id}`, {}, { query: { suffix: "_copy", reset_balance: true } });
export const updateBalance = (id: number) => api.requestRaw<{ balance: number }>("GET", `/api/channel/update_balance/${id}`);
export const updateAllBalances = () => api.get<null>("/api/channel/update_balance");
export const deleteDisabled = () => api.delete<number>("/api/channel/disabled");
export const repairAbilities = () => api.post<number>("/api/channel/fix");
export const fetchModels = (id: number) => api.get<string[]>(`/api/channel/fetch_models/${id}`);
export const fetchModelsBefore = (body: { base_url: string; type: number; key: string }) => api.post<string[]>("/api/channel/fetch_models", body);
export const setTagEnabled = (tag: string, enabled: boolean) => api.post<null>(`/api/channel/tag/${enabled ? "enabled" : "disabled"}`, { tag });
export interface TagEdit {
  tag: string;
  new_tag?: string;
  priority?: number;
  weight?: number;
  model_mapping?: string;
  models?: string;
  groups?: string;
}
export const editTag = (body: TagEdit) => api.put<null>("/api/channel/tag", body);

export interface TestResult {
  success: boolean;
  message: string;
  time: number; // s
  first_byte_ms?: number;
  error_class?: string;
}
/** A failed test is a result, not an error. */
export async function testChannel(id: number, model?: string, stream?: boolean): Promise<TestResult> {
  try {
    const reply = await api.requestRaw<TestResult>("GET", `/api/channel/test/${id}`, { query: { model, stream: stream || undefined } });
    return { ...reply, success: true };
  } catch (error) {
    return { success: false, message: error instanceof Error ? error.message : String(error), time: 0 };
  }
}
export const testAll = () => api.get<{ run_id?: string } | null>("/api/channel/test");

/** Why and when a channel was switched off automatically. */
export function disabledReason(channel: Channel): { reason: string; at: number } {
  const info = readJsonObject(channel.other_info);
  return { reason: String(info["status_reason"] ?? ""), at: Number(info["status_time"] ?? 0) };
}
