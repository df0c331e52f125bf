// The own account: profile, password, access token, notices, sessions.
import { queryOptions } from "@tanstack/react-query";
import { api } from "@/shared/api/client";
import { readJsonObject } from "@/shared/api/json-text";
import type { Passkey, SessionInfo, TwoFactorSetup, TwoFactorStatus } from "@/shared/api/types";

export const SESSIONS = ["sessions"] as const;
export const sessionsQuery = queryOptions({ queryKey: SESSIONS, queryFn: ({ signal }) => api.get<SessionInfo[]>("/api/user/self/sessions", { signal }) });
export const endSession = (id: string) => api.delete<null>(`/api/user/self/sessions/${id}`);
export const endOtherSessions = () => api.delete<null>("/api/user/self/sessions");

export const saveProfile = (body: { display_name: string }) => api.put<null>("/api/user/self", body);
export const changePassword = (body: { original_password: string; password: string }) => api.put<null>("/api/user/self", body);
export const newAccessToken = () => api.post<string>("/api/user/token");

export interface NoticeSetting {
  notify_type: "email" | "webhook";
  quota_warning_threshold: number; // units
  webhook_url: string;
  webhook_secret?: string; // left out: unchanged
  notification_email: string;
  accept_unset_model_ratio_model: boolean;
}
export function readSetting(text: string | undefined): NoticeSetting {
  const held = readJsonObject(text);
  return {
    notify_type: held["notify_type"] === "webhook" ? "webhook" : "email",
    quota_warning_threshold: Number(held["quota_warning_threshold"]) || 500_000,
    webhook_url: String(held["webhook_url"] ?? ""),
    notification_email: String(held["notification_email"] ?? ""),
    accept_unset_model_ratio_model: held["accept_unset_model_ratio_model"] === true,
  };
}
export const saveSetting = (body: NoticeSetting) => api.put<null>("/api/user/setting", body);

export const TWO_FACTOR = ["two-factor"] as const;
export const twoFactorQuery = queryOptions({ queryKey: TWO_FACTOR, queryFn: ({ signal }) => api.get<TwoFactorStatus>("/api/user/2fa/status", { signal }) });
export const setUpTwoFactor = () => api.post<TwoFactorSetup>("/api/user/2fa/setup");
export const enableTwoFactor = (code: string) => api.post<string[]>("/api/user/2fa/enable", { code });
export const disableTwoFactor = (code: string) => api.post<null>("/api/user/2fa/disable", { code });
export const newBackupCodes = () => api.post<string[]>("/api/user/2fa/backup_codes");

export const PASSKEYS = ["passkeys"] as const;
export const passkeysQuery = queryOptions({ queryKey: PASSKEYS, queryFn: ({ signal }) => api.get<Passkey[]>("/api/user/passkeys", { signal }) });
export const renamePasskey = (id: number, name: string) => api.put<null>(`/api/user/passkeys/${id}`, { name });
export const deletePasskey = (id: number) => api.delete<null>(`/api/user/passkeys/${id}`);

export const unbind = (provider: string) => api.delete<null>(`/api/user/self/binding/${provider}`);
export const bindWeChat = (code: string) => api.post<null>("/api/oauth/wechat/bind", undefined, { query: { code } });
export const sendEmailCode = (email: string) => api.get<null>("/api/verification", { query: { email } });
export const bindEmail = (email: string, code: string) => api.post<null>("/api/oauth/email/bind", undefined, { query: { email, code } });
export const deleteAccount = () => api.delete<null>("/api/user/self");

const AGENTS: [RegExp, string][] = [[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrome\//, "Chrome"], [/Safari\//, "Safari"], [/curl\//, "curl"], [/python/i, "Python"]];
const SYSTEMS: [RegExp, string][] = [[/Android/, "Android"], [/iPhone|iPad/, "iOS"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"], [/Linux/, "Linux"]];
/** "Firefox, Linux" of a user agent; the text itself when it is none of the known ones. */
export function deviceOf(agent: string): string {
  const found = [AGENTS, SYSTEMS].map((list) => list.find(([pattern]) => pattern.test(agent))?.[1]).filter(Boolean);
  return found.length ? found.join(", ") : agent.slice(0, 60) || "–";
}
