// Channel health: roll-ups per channel and model, kept fresh by server-sent events. Times Unix s, durations ms, ratios 0…1.
import { queryOptions } from "@tanstack/react-query";
import { api, ApiError } from "@/shared/api/client";
import type { Channel } from "@/shared/api/types";

export const HEALTH = ["health"] as const;
export const WINDOWS = { "5m": 300, "1h": 3600, "24h": 86_400, "7d": 604_800 } as const; // s
export type WindowName = keyof typeof WINDOWS;
export type HealthState = "good" | "degraded" | "bad" | "idle" | "off";
export const ERROR_CLASSES = ["auth", "quota", "rate_limit", "timeout", "connect", "server", "bad_response", "content_filter", "model_missing", "other"] as const;

interface Percentiles {
  p50: number | null;
  p95: number | null;
}

export interface ChannelHealth {
  channel_id: number;
  name: string;
  type: number;
  status: number;
  tag: string | null;
  group: string;
  priority: number;
  weight: number;
  state: HealthState;
  calls: number; // attempts
  failures: number; // by the channel's fault
  client_errors: number;
  success_ratio: number | null; // null = no attempts
  latency_ms: Percentiles;
  ttft_ms: Percentiles;
  usual_p95_ms: number | null; // median of its daily p95 of the last seven days
  slower: boolean;
  rpm: number;
  tpm: number;
  in_flight: number;
  errors: Partial<Record<string, number>>; // class → attempts
  quota: number; // charged
  balance: number; // USD
  balance_updated_time: number;
  days_left: number | null; // at the current burn
  breaker: string; // closed, open, half_open
  drained: boolean;
  disabled_reason: string;
  disabled_at: number;
  sparkline: { ok: number[]; failed: number[] };
}

interface Totals {
  calls: number;
  success_ratio: number | null;
  latency_ms_p95: number | null;
  ttft_ms_p95: number | null;
  quota: number;
}
export interface HealthOverview {
  as_of: number;
  window_s: number;
  totals: Totals & {
    rpm?: number;
    tpm?: number;
    in_flight?: number;
    open_tasks?: number;
    queue_lag_s?: number | null;
    settled_per_s?: number | null;
    holds_open?: number | null;
    previous?: Partial<Totals>;
  };
  items: ChannelHealth[];
  measured: boolean; // false: the server sends no health figures, only the channels are known
}

const EMPTY = { p50: null, p95: null };

function unmeasured(channel: Channel): ChannelHealth {
  return {
    channel_id: channel.id, name: channel.name, type: channel.type, status: channel.status, tag: channel.tag, group: channel.group,
    priority: channel.priority ?? 0, weight: channel.weight ?? 0, state: channel.status === 1 ? "idle" : "off", calls: 0, failures: 0, client_errors: 0,
    success_ratio: null, latency_ms: EMPTY, ttft_ms: EMPTY, usual_p95_ms: null, slower: false, rpm: 0, tpm: 0, in_flight: 0, errors: {}, quota: channel.used_quota, balance: channel.balance,
    balance_updated_time: channel.balance_updated_time, days_left: null, breaker: "closed", drained: false, disabled_reason: "", disabled_at: 0,
    sparkline: { ok: [], failed: [] },
  };
}

/** Fills what an older or younger server leaves out, so that the page never meets a hole. */
function complete(item: Partial<ChannelHealth> & { channel_id?: number; id?: number }): ChannelHealth {
  const calls = item.calls ?? 0;
  const failures = item.failures ?? 0;
  const ratio = item.success_ratio ?? (calls > 0 ? 1 - failures / calls : null);
  const state: HealthState =
    item.state ?? ((item.status ?? 1) !== 1 ? "off" : calls < 5 || ratio === null ? "idle" : ratio < 0.9 ? "bad" : ratio < 0.98 ? "degraded" : "good");
  return {
    channel_id: item.channel_id ?? item.id ?? 0, name: item.name ?? "", type: item.type ?? 0, status: item.status ?? 1, tag: item.tag ?? null, group: item.group ?? "",
    priority: item.priority ?? 0, weight: item.weight ?? 0, state, calls, failures, client_errors: item.client_errors ?? 0, success_ratio: ratio,
    latency_ms: { ...EMPTY, ...item.latency_ms }, ttft_ms: { ...EMPTY, ...item.ttft_ms }, usual_p95_ms: item.usual_p95_ms ?? null, slower: item.slower ?? false, rpm: item.rpm ?? 0, tpm: item.tpm ?? 0, in_flight: item.in_flight ?? 0,
    errors: item.errors ?? {}, quota: item.quota ?? 0, balance: item.balance ?? 0, balance_updated_time: item.balance_updated_time ?? 0, days_left: item.days_left ?? null,
    breaker: item.breaker ?? "closed", drained: item.drained ?? false, disabled_reason: item.disabled_reason ?? "", disabled_at: item.disabled_at ?? 0,
    sparkline: { ok: item.sparkline?.ok ?? [], failed: item.sparkline?.failed ?? [] },
  };
}

const isMissing = (error: unknown) => error instanceof ApiError && (error.status === 404 || error.status === 405 || error.status === 501);

export const overviewQuery = (window: WindowName, live: boolean) =>
  queryOptions({
    queryKey: [...HEALTH, "overview", window],
    queryFn: async ({ signal }): Promise<HealthOverview> => {
      try {
        const reply = await api.get<Partial<HealthOverview> | null>("/api/channel/health", { query: { window: WINDOWS[window] }, signal });
        if (reply?.items) {
          const totals = { calls: 0, success_ratio: null, latency_ms_p95: null, ttft_ms_p95: null, quota: 0, ...reply.totals };
          return { as_of: reply.as_of ?? Date.now() / 1000, window_s: WINDOWS[window], totals, items: reply.items.map(complete), measured: true };
        }
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
      const channels = await api.getPage<Channel>("/api/channel/", "from0", { page: 1, pageSize: 1000 }, signal);
      const totals = { calls: 0, success_ratio: null, latency_ms_p95: null, ttft_ms_p95: null, quota: 0 };
      return { as_of: Date.now() / 1000, window_s: WINDOWS[window], totals, items: channels.items.map(unmeasured), measured: false };
    },
    refetchInterval: live ? 10_000 : false, // ms; the event stream makes it sooner
  });

export interface HealthBucket {
  at: number;
  calls: number;
  failures: number;
  latency_p50_ms?: number | null;
  latency_p95_ms?: number | null;
  ttft_p50_ms?: number | null;
  ttft_p95_ms?: number | null;
  tokens?: number;
  quota?: number;
}
export interface ModelHealth {
  model: string;
  calls: number;
  failures: number;
  success_ratio: number | null;
  latency_ms?: Percentiles;
  ttft_ms?: Percentiles;
  quota?: number;
  last_success_at?: number;
  breaker?: string;
  rpm?: number;
  tpm?: number;
  errors?: Partial<Record<string, number>>;
}
export interface ChannelDetail {
  channel: ChannelHealth | null;
  buckets: HealthBucket[];
  week: HealthBucket[]; // one for each hour of the last seven days
  models: ModelHealth[];
}

export const detailQuery = (id: number, window: WindowName, live: boolean) =>
  queryOptions({
    queryKey: [...HEALTH, "channel", id, window],
    queryFn: async ({ signal }): Promise<ChannelDetail> => {
      const now = Math.floor(Date.now() / 1000);
      const query = { from: now - WINDOWS[window], to: now, step: Math.max(60, Math.round(WINDOWS[window] / 60)) };
      const reply = await api.get<Partial<ChannelDetail> | null>(`/api/channel/${id}/health`, { query, signal });
      return { channel: reply?.channel ? complete(reply.channel) : null, buckets: reply?.buckets ?? [], week: reply?.week ?? [], models: reply?.models ?? [] };
    },
    refetchInterval: live ? 10_000 : false, // ms
  });

export interface ErrorRow {
  error_class: string;
  status: number;
  message: string;
  model: string;
  first_at: number;
  last_at: number;
  count: number;
  request_ids?: string[];
}
export interface EventRow {
  at: number;
  kind: string;
  actor: string;
  reason: string;
  from_status?: number | null;
  to_status?: number | null;
  status_code?: number | null;
  model?: string;
  off_s?: number | null;
  channel_id?: number; // in the history of all channels
  name?: string;
}
/** What an event did to the channel, as a person would say it. */
export function changeOf(event: EventRow): "auto_disable" | "disable" | "auto_enable" | "enable" | "drain" | "undrain" | "key" | "other" {
  if (event.kind === "drain") return event.reason === "drained" ? "drain" : "undrain";
  if (event.kind === "key") return "key";
  if (event.kind !== "status") return "other";
  if (event.to_status === 1) return event.actor.startsWith("user:") ? "enable" : "auto_enable";
  return event.to_status === 3 ? "auto_disable" : "disable";
}
export const allEventsQuery = () => queryOptions({ queryKey: [...HEALTH, "all-events"], queryFn: ({ signal }) => api.get<EventRow[]>("/api/health/events", { signal }), refetchInterval: 15_000 });

export interface ModelRow {
  model: string;
  state: HealthState;
  calls: number;
  failures: number;
  success_ratio: number | null;
  latency_ms: Percentiles;
  ttft_ms: Percentiles;
  rpm: number;
  tpm: number;
  errors: Partial<Record<string, number>>;
  quota: number;
  sparkline: { ok: number[]; failed: number[] };
  on_channels: { channel_id: number; name: string; calls: number; failures: number; success_ratio: number | null; latency_ms_p95: number | null; ttft_ms_p95: number | null; quota: number; breaker: string }[];
}
export const modelsQuery = (window: WindowName, live: boolean) =>
  queryOptions({ queryKey: [...HEALTH, "models", window], queryFn: ({ signal }) => api.get<ModelRow[]>("/api/health/models", { query: { window: WINDOWS[window] }, signal }), refetchInterval: live ? 10_000 : false });

export const WEEK_CHANNELS_MAX = 50;
export interface WeekRow {
  channel_id: number;
  begin: number;
  calls: number[]; // of each hour
  failures: number[];
}
export const weekQuery = (ids: number[]) =>
  queryOptions({ queryKey: ["health-week", ids.join(",")], queryFn: ({ signal }) => api.get<WeekRow[]>("/api/health/week", { query: { ids: ids.join(",") }, signal }), staleTime: 60_000 }); // hours need no look every few seconds
/** 1 (all well) … 5 (more than three of ten failed); 0: no calls. */
export function heatLevel(calls: number, failures: number): number {
  if (calls === 0) return 0;
  const ratio = 1 - failures / calls;
  return ratio >= 0.995 ? 1 : ratio >= 0.98 ? 2 : ratio >= 0.9 ? 3 : ratio >= 0.7 ? 4 : 5;
}
const rowsOf = <T>(reply: { items?: T[] } | T[] | null): T[] => (Array.isArray(reply) ? reply : (reply?.items ?? []));
export const errorsQuery = (id: number) =>
  queryOptions({ queryKey: [...HEALTH, "errors", id], queryFn: async ({ signal }) => rowsOf(await api.get<{ items?: ErrorRow[] } | ErrorRow[] | null>(`/api/channel/${id}/errors`, { signal })), refetchInterval: 15_000 });
export const eventsQuery = (id: number) =>
  queryOptions({ queryKey: [...HEALTH, "events", id], queryFn: async ({ signal }) => rowsOf(await api.get<{ items?: EventRow[] } | EventRow[] | null>(`/api/channel/${id}/events`, { signal })), refetchInterval: 15_000 });

export type ChannelChange = { id: number; status?: number; priority?: number; weight?: number };
export const changeChannel = (body: ChannelChange) => api.put<Channel>("/api/channel/", body);
export const drainChannel = (id: number, drained: boolean) => api.post<null>(`/api/channel/${id}/${drained ? "drain" : "undrain"}`);
export async function testChannel(id: number, model?: string): Promise<{ ok: boolean; message: string; time: number }> {
  try {
    const reply = await api.requestRaw<{ time?: number }>("GET", `/api/channel/test/${id}`, { query: { model } });
    return { ok: true, message: "", time: reply.time ?? 0 };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error), time: 0 };
  }
}

const RANK: Record<HealthState, number> = { bad: 0, degraded: 1, off: 2, good: 3, idle: 4 };
/** Trouble first: worst state, then most failures, then most calls. */
export function byTrouble(a: ChannelHealth, b: ChannelHealth): number {
  return RANK[a.state] - RANK[b.state] || b.failures - a.failures || b.calls - a.calls || a.channel_id - b.channel_id;
}

export const changeRatio = (now: number | null | undefined, before: number | null | undefined): number | null =>
  now === null || now === undefined || !before ? null : now / before - 1;
