// Tokens: the sk-… keys of the signed-in user. Lists show them masked; the full key comes from a call of its own.
import { queryOptions } from "@tanstack/react-query";
import { api, type ListQuery } from "@/shared/api/client";
import { splitList } from "@/shared/api/json-text";
import type { BulkReport, GroupInfo, Token } from "@/shared/api/types";

export const TOKENS = ["tokens"] as const;

export function listTokens(list: ListQuery, signal: AbortSignal) {
  const wanted = String(list.filters?.["keyword"] ?? "");
  return api.getPage<Token>(wanted ? "/api/token/search" : "/api/token/", "from0size", { ...list, filters: { ...list.filters, ...searchFor(wanted) } }, signal);
}

const KEY_PART = /^sk-\S{8,}$/; // the server wants 8 characters of a key or more
/** The question to the server: "sk-" with enough behind it is a part of a key, all else a part of a name. */
export const searchFor = (wanted: string) => (KEY_PART.test(wanted) ? { keyword: "", token: wanted } : { keyword: wanted, token: "" });

const WHOLE_KEY = /^(?:sk-)?[A-Za-z0-9]{40,}$/;
/** What the page's address may hold of what was searched: of a whole key its end only, for addresses are kept in histories and logs. */
export const withoutSecret = (wanted: string) => (WHOLE_KEY.test(wanted) ? `sk-${wanted.slice(-8)}` : wanted);

/** A masked or whole key, short: `sk-abcd…wxyz`. */
export const shortKey = (key: string) => `sk-${key.slice(0, 4)}…${key.slice(-4)}`;

const NO_CHAT = /embed|rerank|moderation|whisper|tts|transcri|dall-e|image|video|sora|^mj[_-]|^suno/i;
/** A model for sample calls: one that the token may use, and for chats where its name tells. */
export function sampleModel(token: Pick<Token, "model_limits_enabled" | "model_limits">, own: readonly string[]): string {
  const allowed = token.model_limits_enabled ? splitList(token.model_limits) : own;
  return allowed.find((name) => !NO_CHAT.test(name)) ?? allowed[0] ?? "gpt-4o-mini";
}
export const revealKey = async (id: number) => `sk-${(await api.post<{ key: string }>(`/api/token/${id}/key`)).key.replace(/^sk-/, "")}`;
export type TokenWrite = Pick<Token, "name" | "expired_time" | "remain_quota" | "unlimited_quota" | "model_limits_enabled" | "model_limits" | "allow_ips" | "group" | "note">;
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
