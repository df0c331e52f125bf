// Shapes of the management API, one interface per object, named and spelled as on the wire. Times are Unix seconds unless said.
export type UnixSeconds = number;
export type QuotaUnits = number; // whole units of quota; `quota_per_unit` of them are 1 USD

export const Role = { visitor: 0, user: 1, admin: 10, root: 100 } as const;
export const roleName = (role: number): "user" | "admin" | "root" => (role >= Role.root ? "root" : role >= Role.admin ? "admin" : "user");

export interface User {
  id: number;
  username: string;
  display_name: string;
  role: number; // 1 user, 10 admin, 100 root
  status: number; // 1 enabled, 2 disabled
  email: string;
  github_id: string;
  oidc_id: string;
  wechat_id: string;
  telegram_id: string;
  linux_do_id: string;
  quota: QuotaUnits;
  used_quota: QuotaUnits;
  request_count: number;
  group: string;
  aff_code: string;
  aff_count: number;
  aff_quota: QuotaUnits;
  aff_history_quota: QuotaUnits;
  inviter_id: number;
  DeletedAt: string | null;
  setting: string; // JSON text
  access_token?: string | null;
  has_password?: boolean;
  has_access_token?: boolean;
  last_login_at?: UnixSeconds;
  two_factor?: boolean;
  discord_id?: string;
  lark_id?: string;
}

export interface Token {
  id: number;
  user_id: number;
  key: string; // without sk-; masked unless the option LegacyTokenKeysInLists is on
  status: number; // 1 enabled, 2 disabled, 3 expired, 4 exhausted
  name: string;
  created_time: UnixSeconds;
  accessed_time: UnixSeconds;
  expired_time: UnixSeconds; // -1 = never
  remain_quota: QuotaUnits;
  unlimited_quota: boolean;
  model_limits_enabled: boolean;
  model_limits: string; // comma list
  allow_ips: string | null; // one per line
  used_quota: QuotaUnits;
  group: string;
  subnet?: string;
  last_used_ip?: string;
  note?: string;
}

export interface Channel {
  id: number;
  type: number;
  key: string; // always "" in replies
  openai_organization: string | null;
  test_model: string | null;
  status: number; // 1 enabled, 2 disabled by hand, 3 disabled automatically
  name: string;
  weight: number | null;
  created_time: UnixSeconds;
  test_time: UnixSeconds; // 0 = never tested
  response_time: number; // ms
  base_url: string | null;
  other: string;
  balance: number; // USD
  balance_updated_time: UnixSeconds;
  models: string; // comma list
  group: string; // comma list
  used_quota: QuotaUnits;
  model_mapping: string | null; // JSON text
  status_code_mapping: string | null; // JSON text
  priority: number | null;
  auto_ban: number | null; // 1 = may be disabled automatically
  other_info: string; // JSON text {status_reason, status_time}
  tag: string | null;
  setting: string | null; // JSON text
  param_override: string | null; // JSON text
}

export interface LogRow {
  id: number;
  user_id: number;
  created_at: UnixSeconds;
  type: number; // 1 top-up, 2 consume, 3 manage, 4 system, 5 error
  content: string;
  username: string;
  token_name: string;
  model_name: string;
  quota: QuotaUnits;
  prompt_tokens: number;
  completion_tokens: number;
  use_time: number; // s
  is_stream: boolean;
  channel: number; // channel id, 0 = none
  channel_name: string;
  token_id: number;
  group: string;
  other: string; // JSON text, or "" or "null"
  request_id?: string;
}

export interface LogStat {
  quota: QuotaUnits;
  rpm: number;
  tpm: number;
}

export interface Redemption {
  id: number;
  user_id: number;
  key: string;
  status: number; // 1 usable, 2 disabled, 3 used
  name: string;
  quota: QuotaUnits;
  created_time: UnixSeconds;
  redeemed_time: UnixSeconds;
  used_user_id: number;
  expired_time?: UnixSeconds; // 0 = never
}

export interface QuotaData {
  id: number;
  user_id: number;
  username: string;
  model_name: string;
  created_at: UnixSeconds; // start of the hour
  token_used: number;
  count: number;
  quota: QuotaUnits;
}

export interface Midjourney {
  id: number;
  code: number;
  user_id: number;
  action: string;
  mj_id: string;
  prompt: string;
  prompt_en: string;
  description: string;
  state: string;
  submit_time: number; // ms
  start_time: number; // ms
  finish_time: number; // ms
  image_url: string;
  status: string;
  progress: string;
  fail_reason: string;
  channel_id: number;
  quota: QuotaUnits;
  buttons: string;
  properties: string;
  mode: string; // speed: fast, relax, turbo or ""
  refunded: boolean;
}

export interface Task {
  id: number;
  created_at: UnixSeconds;
  updated_at: UnixSeconds;
  task_id: string;
  platform: string;
  user_id: number;
  channel_id: number;
  quota: QuotaUnits;
  action: string;
  status: string;
  fail_reason: string;
  submit_time: UnixSeconds;
  start_time: UnixSeconds;
  finish_time: UnixSeconds;
  progress: string;
  properties: { input?: string };
  data: unknown;
  refunded: boolean;
}

export interface Option {
  key: string;
  value: string;
  set?: boolean; // secret options: whether a value is stored
}

export interface PriceRow {
  model_name: string;
  quota_type: 0 | 1; // 0 per token, 1 per call
  model_ratio: number;
  model_price: number; // USD per call
  owner_by: string;
  completion_ratio: number;
  enable_groups?: string[];
  cache_ratio?: number;
  audio_ratio?: number;
}

export interface Pricing {
  data: PriceRow[];
  group_ratio: Record<string, number>;
  usable_group: Record<string, string>;
}

export interface SetupState {
  status: boolean; // done
  root_init: boolean;
  database_type: string;
}

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

export interface BulkReport {
  succeeded: number[];
  failed: { id: number; code: string; message: string }[];
}

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

export interface SessionInfo {
  id: string;
  created_at: UnixSeconds;
  last_seen_at: UnixSeconds;
  ip: string;
  user_agent: string;
  current?: boolean;
}

export interface AuditEntry {
  id: number;
  at: UnixSeconds;
  actor_id: number;
  action: string;
  target: string;
  before: unknown;
  after: unknown;
  ip: string;
}
