// Signing in and up, recovery, and where to go afterwards.
import { api } from "@/shared/api/client";
import { type LoginReply, Role } from "@/shared/api/types";

const captcha = (token: string) => ({ query: { turnstile: token } });

export const logIn = (body: { username: string; password: string }, turnstile: string) => api.post<LoginReply>("/api/user/login", body, captcha(turnstile));
export const logInSecondStep = (code: string) => api.post<LoginReply>("/api/user/login/2fa", { code });

export interface Registration {
  username: string;
  password: string;
  email?: string;
  verification_code?: string;
  aff_code?: string;
}
export const register = (body: Registration, turnstile: string) => api.post<null>("/api/user/register", body, captcha(turnstile));
export const sendEmailCode = (email: string, turnstile: string) => api.get<null>("/api/verification", { query: { email, turnstile } });
export const sendResetMail = (email: string, turnstile: string) => api.get<null>("/api/reset_password", { query: { email, turnstile } });
export const confirmReset = (body: { email: string; token: string; password?: string }) => api.post<string | null>("/api/user/reset", body);
export const finishOAuth = (provider: string, query: Record<string, string>) => api.get<LoginReply | undefined>(`/api/oauth/${provider}`, { query });
export const logInWithWeChat = (code: string, aff: string, turnstile: string) => api.get<LoginReply>("/api/oauth/wechat", { query: { code, aff, turnstile } });

/** Where a fresh sign-in lands: the wanted page if it is one of ours, else the first page of the role. */
export function landing(wanted: string | undefined, role: number): string {
  if (wanted && /^\/(?![/\\])/.test(wanted) && !wanted.startsWith("/login")) return wanted;
  return role >= Role.admin ? "/console/health" : "/console";
}

const INVITATION = "medusa.aff";
export const invitation = {
  remember: (code: string | undefined) => code && sessionStorage.setItem(INVITATION, code),
  get: () => sessionStorage.getItem(INVITATION) ?? "",
};
export const WANTED = "medusa.wanted"; // survives the trip to a third-party provider
