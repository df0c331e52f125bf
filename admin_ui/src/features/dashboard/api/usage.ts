// Use over time: sums by model, user, channel, token or group, cut into slots by the server, with the empty ones filled in here.
import { api } from "@/shared/api/client";
import type { Usage, UsageEntry, UsageSlot, UsageSums } from "@/shared/api/types";

export const DATA = ["data"] as const;
export type Grain = "hour" | "day" | "week";
export type Measure = "quota" | "calls" | "tokens";
export type Dimension = "model" | "user" | "channel" | "token" | "group";
export const HOUR_S = 3600;
export const DAY_S = 86_400;
const SLOTS_MAX = 1500; // the server's limit

export type Sums = UsageSums; // cached tokens are a part of the prompt tokens
export type Entry = UsageEntry; // `key`: id or name; "" in slots = all others
export type Slot = UsageSlot;
export interface Range {
  from: number; // Unix s
  to: number;
}
export interface UsageQuery extends Range {
  all: boolean; // everybody's
  by: Dimension;
  step: Grain;
  user: string; // name; "" = all
}

/** Seconds that the reader's clock is ahead of UTC. */
export const clockOffset = (seconds: number): number => -new Date(seconds * 1000).getTimezoneOffset() * 60;

export const readUsage = ({ all, by, step, user, from, to }: UsageQuery, signal: AbortSignal) =>
  api.get<Usage>(all ? "/api/data/usage" : "/api/data/usage/self", {
    query: { start_timestamp: from, end_timestamp: to, by, step, offset: clockOffset(to), ...(all ? { username: user } : {}) },
    signal,
  });

export const measureOf = (sums: Sums, measure: Measure): number => (measure === "tokens" ? sums.prompt_tokens + sums.completion_tokens : sums[measure]);

/** Change against before: 0.12 = +12 %; null where there is nothing to compare with. */
export const changeOf = (now: number, before: number | undefined): number | null => (before ? now / before - 1 : null);

const STEP: Record<Grain, [step: number, origin: number]> = { hour: [HOUR_S, 0], day: [DAY_S, 0], week: [7 * DAY_S, 3 * DAY_S] }; // Unix time began on a Thursday
/** When the slot of a moment begins; `offset` as in clockOffset. The server computes the same. */
export function slotOf(seconds: number, grain: Grain, offset: number): number {
  const [step, origin] = STEP[grain];
  return seconds - ((((seconds + offset + origin) % step) + step) % step);
}

/** The grains that suit a range: neither two bars nor thousands. */
export function grainsOf({ from, to }: Range): Grain[] {
  const length = to - from;
  return (["hour", "day", "week"] as const).filter((grain) => length / STEP[grain][0] <= SLOTS_MAX && (grain === "hour" || length >= STEP[grain][0]));
}
export const usualGrain = ({ from, to }: Range): Grain => (to - from <= 2 * DAY_S ? "hour" : to - from <= 60 * DAY_S ? "day" : "week");

export interface Cut {
  times: number[];
  series: { key: string; name: string }[];
  values: number[][]; // [time][series]
}
/** Every slot of the range, empty ones included. */
export function cut(usage: Usage, { from, to }: Range, grain: Grain, measure: Measure, offset: number): Cut {
  const sizes = new Map<string, { name: string; sum: number }>();
  for (const slot of usage.slots) {
    const held = sizes.get(slot.key);
    sizes.set(slot.key, { name: slot.name, sum: (held?.sum ?? 0) + measureOf(slot, measure) });
  }
  const series = [...sizes].sort(([a, x], [b, y]) => (a === "" ? 1 : b === "" ? -1 : y.sum - x.sum)).map(([key, { name }]) => ({ key, name }));
  const times: number[] = [];
  for (let at = slotOf(from, grain, offset); at <= to; at += STEP[grain][0]) times.push(at);
  const placeOf = new Map(times.map((time, place) => [time, place]));
  const values = times.map(() => series.map(() => 0));
  for (const slot of usage.slots) {
    const row = values[placeOf.get(slotOf(slot.at, grain, offset)) ?? -1];
    const column = series.findIndex((one) => one.key === slot.key);
    if (row && column >= 0) row[column]! += measureOf(slot, measure);
  }
  return { times, series, values };
}

export const RANGES = ["today", "1", "7", "30", "90", "custom"] as const;
export type RangeName = (typeof RANGES)[number];
/** The range that a name means now; custom ones are given as days of the reader's calendar, YYYY-MM-DD, both included. */
export function rangeOf(name: RangeName, nowS: number, from = "", to = ""): Range {
  if (name === "custom" && from && to) {
    const start = Math.floor(new Date(`${from}T00:00:00`).getTime() / 1000);
    return { from: start, to: Math.max(start, Math.min(nowS, Math.floor(new Date(`${to}T23:59:59`).getTime() / 1000))) };
  }
  if (name === "today") return { from: Math.floor(new Date(nowS * 1000).setHours(0, 0, 0, 0) / 1000), to: nowS };
  return { from: nowS - (Number(name) || 7) * DAY_S, to: nowS };
}
/** As many hours, up to the one in which this range begins: the server sums whole hours, and none may count on both sides. */
export function rangeBefore({ from, to }: Range): Range {
  const begin = from - (from % HOUR_S);
  const hours = Math.max(1, Math.round((to - begin) / HOUR_S));
  return { from: begin - hours * HOUR_S, to: begin - 1 };
}
