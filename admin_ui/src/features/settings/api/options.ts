// Settings: how each is declared and what it holds. Secrets are written and never read.
import { queryOptions } from "@tanstack/react-query";
import { api } from "@/shared/api/client";
import type { AuditEntry, Option, OptionSpec } from "@/shared/api/types";
import { checkEntry, readEntries } from "./chat-entries";
import { readRows, type Shape } from "./json-rows";

export const OPTIONS = ["options"] as const;
const LOOK_MS = 15_000; // how soon the page sees what somebody else saved

export const specsQuery = queryOptions({ queryKey: [...OPTIONS, "specs"], queryFn: ({ signal }) => api.get<OptionSpec[]>("/api/option/specs", { signal }), staleTime: Number.POSITIVE_INFINITY });
export const optionsQuery = queryOptions({ queryKey: [...OPTIONS, "values"], queryFn: ({ signal }) => api.get<Option[]>("/api/option/", { query: { with_secrets_state: "true" }, signal }), refetchInterval: LOOK_MS });
/** Who changed a setting last, from the audit. */
export const lastChangeQuery = (key: string, version: string) =>
  queryOptions({ queryKey: [...OPTIONS, "last-change", key, version], queryFn: async ({ signal }) => (await api.getPage<AuditEntry>("/api/audit", "from1", { page: 1, pageSize: 1, filters: { target: `option:${key}` } }, signal)).items[0] ?? null });
export const modelsInUseQuery = queryOptions({ queryKey: ["models", "enabled"], queryFn: ({ signal }) => api.get<string[]>("/api/channel/models_enabled", { signal }), staleTime: 60_000 });

/** `value` null goes back to the default; a `version` that has moved since is refused as a conflict. */
export interface OptionWrite {
  key: string;
  value: string | null;
  version: string;
}
export const saveOptions = (items: OptionWrite[]) => api.requestRaw<unknown>("PUT", "/api/option/batch", { body: { items } });
export const sendTestMail = (to: string) => api.post<null>("/api/option/test_mail", { to });

function chatsProblem(value: string): string | null {
  const entries = readEntries(value);
  if (!entries) return "chats";
  return entries.some((_, index) => !["unknown", null].includes(checkEntry(entries, index))) ? "chatEntry" : null;
}

function jsonProblem(spec: OptionSpec, value: string): string | null {
  if (!value.trim()) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return "syntax";
  }
  if (spec.shape === "links") return chatsProblem(value);
  if (spec.shape) return readRows(spec.shape as Shape, value) ? null : "shape";
  if (Array.isArray(parsed) || typeof parsed !== "object" || parsed === null) return "shape";
  const lowest = spec.key === "GroupRatio" ? 0 : -1; // -1 takes a built-in entry away
  return Object.values(parsed).some((price) => typeof price !== "number" || (price < 0 && price !== lowest)) ? "prices" : null;
}

/** What is wrong with a value: the id of a text, or null. The server checks again. */
export function checkValue(spec: OptionSpec, value: string): string | null {
  if (spec.kind === "int" || spec.kind === "float") {
    const number = Number(value);
    if (value.trim() === "" || !Number.isFinite(number)) return "number";
    if (spec.kind === "int" && !Number.isInteger(number)) return "whole";
    if (spec.lowest !== null && number < spec.lowest) return "low";
    if (spec.highest !== null && number > spec.highest) return "high";
  }
  if (spec.kind === "url" && value && !/^(https?:\/\/[^\s]+|data:|\/)/.test(value)) return "url";
  if (spec.kind === "prices" || spec.kind.startsWith("json")) return jsonProblem(spec, value);
  return null;
}

/** Whether two texts mean the same: how JSON is laid out does not matter. */
export function isSame(spec: OptionSpec, one: string, other: string): boolean {
  if (one === other) return true;
  if (spec.kind !== "prices" && !spec.kind.startsWith("json")) return false;
  try {
    return canonical(JSON.parse(one || "{}")) === canonical(JSON.parse(other || "{}"));
  } catch {
    return false;
  }
}
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

export interface PriceChange {
  name: string;
  before: number | null; // null: new
  after: number | null; // null: removed
}
export const readPrices = (text: string): Record<string, number> => {
  try {
    const value: unknown = JSON.parse(text || "{}");
    return value && typeof value === "object" && !Array.isArray(value) ? (value as Record<string, number>) : {};
  } catch {
    return {};
  }
};
/** What saving a table of prices changes, by name. */
export function priceChanges(before: string, after: string): PriceChange[] {
  const old = readPrices(before);
  const next = readPrices(after);
  return [...new Set([...Object.keys(old), ...Object.keys(next)])]
    .filter((name) => old[name] !== next[name])
    .sort()
    .map((name) => ({ name, before: old[name] ?? null, after: next[name] ?? null }));
}
