// Third-party accounts: which are on, how a trip to one begins, and what Telegram brings back.
import { api } from "./client";
import type { Status, User } from "./types";

export type Provider = "github" | "discord" | "oidc" | "linuxdo" | "lark" | "telegram";
export const PROVIDERS: { id: Provider | "wechat"; name: string; isOn: (status: Status) => boolean; idOf: (user: User) => string | undefined }[] = [
  { id: "github", name: "GitHub", isOn: (status) => status.github_oauth, idOf: (user) => user.github_id },
  { id: "discord", name: "Discord", isOn: (status) => status.discord_oauth === true, idOf: (user) => user.discord_id },
  { id: "oidc", name: "OIDC", isOn: (status) => status.oidc_enabled, idOf: (user) => user.oidc_id },
  { id: "linuxdo", name: "Linux DO", isOn: (status) => status.linuxdo_oauth, idOf: (user) => user.linux_do_id },
  { id: "lark", name: "Lark", isOn: (status) => status.lark_oauth === true, idOf: (user) => user.lark_id },
  { id: "telegram", name: "Telegram", isOn: (status) => status.telegram_oauth, idOf: (user) => user.telegram_id },
  { id: "wechat", name: "WeChat", isOn: (status) => status.wechat_login, idOf: (user) => user.wechat_id },
];

/** Leaves this page for the provider's; it comes back to /oauth/<provider>. */
export async function goToProvider(provider: Provider, aff = ""): Promise<void> {
  const address =
    provider === "telegram"
      ? await api.post<string>("/api/oauth/telegram/start")
      : await api.post<string>("/api/oauth/start", { provider, aff });
  window.location.assign(address);
}

/** What Telegram put behind the # of the address; null when it is nothing of Telegram's. */
export function readTelegramAnswer(hash: string): Record<string, string> | null {
  const text = /[#&]tgAuthResult=([\w-]+)/.exec(hash)?.[1];
  if (!text) return null;
  try {
    const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    const fields = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]));
  } catch {
    return null;
  }
}

export const logInWithTelegram = (query: Record<string, string>) => api.get<User>("/api/oauth/telegram/login", { query });
export async function bindTelegram(query: Record<string, string>): Promise<void> {
  const ticket = await api.post<string>("/api/oauth/telegram/ticket");
  await api.post<null>("/api/oauth/telegram/bind", undefined, { query: { ...query, ticket } });
}
