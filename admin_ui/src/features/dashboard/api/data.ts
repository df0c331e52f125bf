// The series behind the dashboard: hourly sums by model, cut into the grain on screen, compared with the range before.
import { api } from "@/shared/api/client";
import type { QuotaData } from "@/shared/api/types";

export const DATA = ["data"] as const;
export type Grain = "hour" | "day" | "week";
export type Measure = "quota" | "count" | "token_used";
export interface Bounds {
  from: number; // Unix s, inclusive
  to: number; // Unix s, inclusive
}

const OWN_RANGE_S = 2_592_000; // the server's limit for own data
/** Hours of everybody (administrators) or of the signed-in user; own ranges over thirty days come in pieces. */
export async function readData(isAdmin: boolean, username: string, { from, to }: Bounds, signal: AbortSignal): Promise<QuotaData[]> {
  if (isAdmin) return api.get<QuotaData[]>("/api/data/", { query: { start_timestamp: from, end_timestamp: to, username }, signal });
  const rows: QuotaData[] = [];
  for (let start = from; start <= to; start += OWN_RANGE_S + 1) {
    rows.push(...(await api.get<QuotaData[]>("/api/data/self", { query: { start_timestamp: start, end_timestamp: Math.min(to, start + OWN_RANGE_S) }, signal })));
  }
  return rows;
}

export interface Sums {
  quota: number;
  count: number;
  token_used: number;
}
export function sumOf(rows: readonly QuotaData[]): Sums {
  const sums = { quota: 0, count: 0, token_used: 0 };
  for (const row of rows) {
    sums.quota += row.quota;
    sums.count += row.count;
    sums.token_used += row.token_used;
  }
  return sums;
}

/** Change against before: 0.12 = +12 %; null where there is nothing to compare with. */
export const changeOf = (now: number, before: number): number | null => (before > 0 ? now / before - 1 : null);

const startOfDay = (seconds: number) => Math.floor(new Date(seconds * 1000).setHours(0, 0, 0, 0) / 1000);
export function slotOf(seconds: number, grain: Grain): number {
  if (grain === "hour") return seconds - (seconds % 3600);
  const day = new Date(startOfDay(seconds) * 1000);
  if (grain === "week") day.setDate(day.getDate() - ((day.getDay() + 6) % 7)); // Monday
  return Math.floor(day.getTime() / 1000);
}
function nextSlot(slot: number, grain: Grain): number {
  if (grain === "hour") return slot + 3600;
  const day = new Date(slot * 1000);
  day.setDate(day.getDate() + (grain === "day" ? 1 : 7)); // a day with a clock change is not 24 h long
  return Math.floor(day.getTime() / 1000);
}

export interface Ranked extends Sums {
  name: string;
}
export function rank(rows: readonly QuotaData[], by: "model_name" | "username", measure: Measure): Ranked[] {
  const groups = new Map<string, QuotaData[]>();
  for (const row of rows) groups.set(row[by], [...(groups.get(row[by]) ?? []), row]);
  return [...groups].map(([name, of]) => ({ name, ...sumOf(of) })).sort((a, b) => b[measure] - a[measure]);
}

export interface Slots {
  times: number[];
  names: string[]; // the largest, then "" for the rest
  values: number[][]; // [time][name]
}
/** One row per slot of the range, empty ones included. */
export function slots(rows: readonly QuotaData[], bounds: Bounds, grain: Grain, measure: Measure, most: number): Slots {
  const ranked = rank(rows, "model_name", measure).map((one) => one.name);
  const names = ranked.length > most ? [...ranked.slice(0, most), ""] : ranked;
  const times: number[] = [];
  for (let slot = slotOf(bounds.from, grain); slot <= bounds.to; slot = nextSlot(slot, grain)) times.push(slot);
  const at = new Map(times.map((time, index) => [time, index]));
  const values = times.map(() => names.map(() => 0));
  for (const row of rows) {
    const index = at.get(slotOf(row.created_at, grain));
    const name = names.includes(row.model_name) ? names.indexOf(row.model_name) : names.length - 1;
    if (index !== undefined && name >= 0) values[index]![name]! += row[measure];
  }
  return { times, names, values };
}

/** The users of a range with their sums. */
export const readUsers = (bounds: Bounds, signal: AbortSignal) => api.get<Ranked[]>("/api/data/users", { query: { start_timestamp: bounds.from, end_timestamp: bounds.to }, signal });
