// Which token a chat client gets: the wanted one, else the first that can be used.
import { api } from "@/shared/api/client";
import type { Token } from "@/shared/api/types";

export const CHAT_TOKENS = ["tokens", "chat"] as const;
const NAME = "chat"; // of a token made for chats
const SHOWN = 100;

export function isUsable(token: Token, nowS: number): boolean {
  return token.status === 1 && (token.expired_time === -1 || token.expired_time > nowS) && (token.unlimited_quota || token.remain_quota > 0);
}

/** @param wanted id or name of a token; "" = the token named "chat", else the newest. Null when none can be used. */
export function chooseToken(tokens: readonly Token[], wanted: string, nowS: number): Token | null {
  const usable = tokens.filter((token) => isUsable(token, nowS));
  if (wanted) return usable.find((token) => String(token.id) === wanted || token.name === wanted) ?? null;
  return usable.find((token) => token.name === NAME) ?? usable[0] ?? null;
}

export const readTokens = async (signal: AbortSignal) => (await api.getPage<Token>("/api/token/", "from0size", { page: 1, pageSize: SHOWN }, signal)).items;
export const readKey = async (id: number) => `sk-${(await api.post<{ key: string }>(`/api/token/${id}/key`)).key.replace(/^sk-/, "")}`;
export const createChatToken = () =>
  api.post<Token>("/api/token/", { name: NAME, expired_time: -1, remain_quota: 0, unlimited_quota: true, model_limits_enabled: false, model_limits: "", allow_ips: "", group: "" });
