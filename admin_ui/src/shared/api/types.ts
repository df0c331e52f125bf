// Shapes of the management API, from the server's own document: schema.d.ts is made by `npm run types`. Those few that are written
// here by hand are no single reply. Times are Unix seconds unless said.
import type { components } from "./schema";

type Schemas = components["schemas"];
/** A reply has every field; what has a default is optional only in bodies. */
type Full<T> = T extends (infer Item)[] ? Full<Item>[] : T extends object ? { [K in keyof T]-?: Full<Exclude<T[K], undefined>> } : T;
export type Reply<Name extends keyof Schemas> = Full<Schemas[Name]>;
export type UnixSeconds = number;
export type QuotaUnits = number; // whole units of quota; `quota_per_unit` of them are 1 USD

export const Role = { visitor: 0, user: 1, admin: 10, root: 100 } as const;
export const roleName = (role: number): "user" | "admin" | "root" => (role >= Role.root ? "root" : role >= Role.admin ? "admin" : "user");

export type User = Reply<"UserView">;
export type Token = Reply<"TokenView">;
export type Channel = Reply<"ChannelView">;
export type LogRow = Reply<"LogView">;
export type LogStat = Reply<"Rates">;
export type Redemption = Reply<"RedemptionView">;
export type Midjourney = Reply<"DrawingView">;
export type Task = Reply<"TaskView">;
export type Option = Reply<"OptionView">;
export type OptionSpec = Reply<"OptionSpecView">;
export type PriceRow = Reply<"PriceRow">;

export interface Pricing {
  data: PriceRow[];
  group_ratio: Record<string, number>;
  usable_group: Record<string, string>;
}

export type SetupState = Reply<"SetupState">;

export type ChatLink = Record<string, string>; // one pair: name → URL template

export interface Status {
  version: string;
  start_time: UnixSeconds;
  system_name: string;
  logo: string;
  footer_html: string;
  server_address: string;
  setup: boolean;
  email_verification: boolean;
  github_oauth: boolean;
  github_client_id: string;
  linuxdo_oauth: boolean;
  linuxdo_client_id: string;
  discord_oauth?: boolean;
  lark_oauth?: boolean;
  passkey_login?: boolean;
  telegram_oauth: boolean;
  telegram_bot_name: string;
  oidc_enabled: boolean;
  oidc_client_id: string;
  oidc_authorization_endpoint: string;
  wechat_login: boolean;
  wechat_qrcode: string;
  turnstile_check: boolean;
  turnstile_site_key: string;
  quota_per_unit: number;
  display_in_currency: boolean;
  enable_batch_update: boolean;
  enable_drawing: boolean;
  enable_task: boolean;
  enable_data_export: boolean;
  data_export_default_time: string;
  default_collapse_sidebar: boolean;
  enable_online_topup: boolean;
  mj_notify_enabled: boolean;
  chats: ChatLink[];
  demo_site_enabled: boolean;
  self_use_mode_enabled: boolean;
  price: number; // local currency per USD
  min_topup: number;
  top_up_link: string;
  docs_link: string;
  password_login?: boolean;
  register_enabled?: boolean;
  password_register?: boolean;
  two_factor_available?: boolean;
}

export interface GroupInfo {
  ratio: number;
  desc: string;
}

export type BulkReport = Reply<"BatchReport">;

export interface LoginReply extends Partial<User> {
  require_2fa?: boolean;
}

export interface TopUpOrder {
  id: number;
  user_id?: number;
  amount: number;
  money: number;
  trade_no: string;
  create_time: UnixSeconds;
  status: string;
}

export type SessionInfo = Reply<"SessionView">;

export type Job = Reply<"JobView">;
export type ServerNode = Reply<"NodeView">;
export type AuditEntry = Reply<"AuditView">;
export type Books = Reply<"BooksView">;
