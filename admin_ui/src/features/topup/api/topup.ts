// Money in: codes, orders at payment providers, invitations.
import { api, type ListQuery } from "@/shared/api/client";
import type { TopUpOrder } from "@/shared/api/types";

export const ORDERS = ["orders"] as const;
export const redeem = (key: string) => api.post<number>("/api/user/topup", { key });
export const listOrders = (isAdmin: boolean, list: ListQuery, signal: AbortSignal) => api.getPage<TopUpOrder>(isAdmin ? "/api/topups" : "/api/user/topups", "from1", list, signal);
export const invitationCode = () => api.get<string>("/api/user/aff");
export const moveReward = (quota: number) => api.post<null>("/api/user/aff_transfer", { quota });

export type Provider = "epay" | "stripe";
/** Price in the provider's currency, as text. */
export const priceOfAmount = (provider: Provider, amount: number) => api.post<string>(provider === "epay" ? "/api/user/amount" : "/api/user/stripe/amount", { amount });

interface EpayForm {
  data: Record<string, string>;
  url: string;
}
/** Leads the browser to the provider: a form for epay, a link for Stripe. */
export async function pay(provider: Provider, amount: number, method: string): Promise<void> {
  if (provider === "stripe") {
    window.location.assign((await api.post<{ pay_link: string }>("/api/user/stripe/pay", { amount })).pay_link);
    return;
  }
  const { data, url } = await api.requestRaw<EpayForm>("POST", "/api/user/pay", { body: { amount, payment_method: method } });
  const form = document.createElement("form");
  form.action = url;
  form.method = "POST";
  for (const [name, value] of Object.entries(data)) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}
