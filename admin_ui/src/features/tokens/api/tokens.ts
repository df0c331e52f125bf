// Tokens: the sk-… keys of the signed-in user. Lists show them masked; the full key comes from a call of its own.
import { queryOptions } from "@tanstack/react-query";
import { api, type ListQuery } from "@/shared/api/client";
import type { BulkReport, GroupInfo, Token } from "@/shared/api/types";

export const TOKENS = ["tokens"] as const;

export function listTokens(list: ListQuery, signal: AbortSignal) {
  return api.getPage<Token>(list.filters?.["keyword"] ? "/api/token/search" : "/api/token/", "from0size", list, signal);
}
export const revealKey = async (id: number) => `sk-${(await api.post<{ key: string }>(`/api/token/${id}/key`)).key.replace(/^sk-/, "")}`;
export type TokenWrite = Pick<Token, "name" | "expired_time" | "remain_quota" | "unlimited_quota" | "model_limits_enabled" | "model_limits" | "allow_ips" | "group">;
export const createToken = (body: TokenWrite) => api.post<Token>("/api/token/", body);
export const updateToken = (body: TokenWrite & { id: number }) => api.put<Token>("/api/token/", body);
export const setTokenStatus = (id: number, status: number) => api.put<Token>("/api/token/", { id, status }, { query: { status_only: true } });
export const deleteToken = (id: number) => api.delete<null>(`/api/token/${id}`);
export const batchTokens = (ids: number[], action: "delete" | "enable" | "disable") => api.post<BulkReport>("/api/token/batch", { ids, action });

export const ownModelsQuery = queryOptions({ queryKey: ["models", "own"], queryFn: ({ signal }) => api.get<string[]>("/api/user/models", { signal }), staleTime: 60_000 });
export const ownGroupsQuery = queryOptions({ queryKey: ["groups", "own"], queryFn: ({ signal }) => api.get<Record<string, GroupInfo>>("/api/user/self/groups", { signal }), staleTime: 60_000 });

/** Lines that are no IP address and no CIDR range. */
export function badAddresses(text: string): string[] {
  const v4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}(\/([12]?\d|3[0-2]))?$/;
  const v6 = /^[0-9a-f:]*:[0-9a-f:.]+(\/(1[01]\d|12[0-8]|[1-9]?\d))?$/i;
  return text.split("\n").map((line) => line.trim()).filter((line) => line && !v4.test(line) && !v6.test(line));
}
