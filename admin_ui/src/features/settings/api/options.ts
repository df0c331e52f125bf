// Settings: how each is declared, what it holds, and what of it was changed. Secrets are written and never read.
import { queryOptions } from "@tanstack/react-query";
import { api } from "@/shared/api/client";
import type { Option } from "@/shared/api/types";
import { checkEntry, readEntries } from "./chat-entries";

export const OPTIONS = ["options"] as const;

export interface OptionSpec {
  key: string;
  kind: string; // bool, int, float, str, url, enum, words, lines, prices, json:dict, json:list
  default: string;
  group: string;
  help_en: string;
  help_zh: string;
  lowest: number | null;
  highest: number | null;
  choices: string[];
  secret: boolean;
  restart: boolean;
}

export const specsQuery = queryOptions({ queryKey: [...OPTIONS, "specs"], queryFn: ({ signal }) => api.get<OptionSpec[]>("/api/option/specs", { signal }), staleTime: Number.POSITIVE_INFINITY });
export const optionsQuery = queryOptions({ queryKey: [...OPTIONS, "values"], queryFn: ({ signal }) => api.get<Option[]>("/api/option/", { query: { with_secrets_state: "true" }, signal }) });
export const saveOptions = (items: { key: string; value: string }[]) => api.requestRaw<unknown>("PUT", "/api/option/batch", { body: { items } });

function chatsProblem(value: string): string | null {
  const entries = readEntries(value);
  if (!entries) return "chats";
  return entries.some((_, index) => !["unknown", null].includes(checkEntry(entries, index))) ? "chatEntry" : null;
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
  if (spec.kind === "url" && value && !/^https?:\/\/[^\s]+$/.test(value)) return "url";
  if (spec.kind === "prices" || spec.kind.startsWith("json")) {
    if (!value.trim()) return null;
    if (spec.key === "Chats") return chatsProblem(value);
    try {
      const parsed: unknown = JSON.parse(value);
      const isList = Array.isArray(parsed);
      if (spec.kind === "json:list" ? !isList : isList || typeof parsed !== "object" || parsed === null) return "shape";
      if (spec.kind === "prices" && Object.values(parsed as object).some((price) => typeof price !== "number" || price < 0)) return "prices";
    } catch {
      return "syntax";
    }
  }
  return null;
}

export interface PriceChange {
  name: string;
  before: number | null; // null: new
  after: number | null; // null: removed
}
const readPrices = (text: string): Record<string, number> => {
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
export { readPrices };
