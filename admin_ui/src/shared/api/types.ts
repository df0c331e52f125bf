// Shapes of the management API, from the server's own document: schema.d.ts is made by `npm run types`. Times are Unix seconds unless said.
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

export type Pricing = Reply<"PricingReply">;

export type SetupState = Reply<"SetupState">;

export type Status = Reply<"SystemView">;
export type ChatLink = Status["chats"][number]; // one pair: name → URL template
export type GroupInfo = Reply<"GroupView">;

export type BulkReport = Reply<"BatchReport">;

export type TopUpOrder = Reply<"OrderView">;

/** A finished sign-in, or one that waits for its second step. */
export type LoginReply = User | Reply<"SecondStepAsked">;
export type TwoFactorStatus = Reply<"StatusView">;
export type TwoFactorSetup = Reply<"SetupView">;
export type Passkey = Reply<"PasskeyView">;
export type SessionInfo = Reply<"SessionView">;

export type Job = Reply<"JobView">;
export type ServerNode = Reply<"NodeView">;
export type AuditEntry = Reply<"AuditView">;
export type Books = Reply<"BooksView">;
export type Usage = Reply<"UsageView">;
export type UsageSums = Reply<"UsageSums">;
export type UsageEntry = Reply<"UsageEntry">;
export type UsageSlot = Reply<"UsageSlot">;
