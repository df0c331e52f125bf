// Price lists of others read into our tables: another gateway's /api/pricing, its ratio export, or a provider's list of models.
import { api } from "@/shared/api/client";
import { readPrices } from "./options";

export const TABLES = { model_ratio: "ModelRatio", completion_ratio: "CompletionRatio", cache_ratio: "CacheRatio", model_price: "ModelPrice" } as const;
export type TableName = keyof typeof TABLES;
export type PriceLists = Record<TableName, Record<string, number>>;

export const fetchPrices = (url: string) => api.post<unknown>("/api/option/upstream_prices", { url });

const USD_PER_RATIO = 2; // a million tokens at ratio 1
const round = (value: number) => Number(value.toPrecision(10)); // 0.1 + 0.2 is 0.3
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const empty = (): PriceLists => ({ model_ratio: {}, completion_ratio: {}, cache_ratio: {}, model_price: {} });

function readTable(value: unknown): Record<string, number> {
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] >= 0));
}

/** Rows of /api/pricing: {model_name, quota_type, model_ratio, completion_ratio, model_price, cache_ratio?}. */
function readPricing(rows: Record<string, unknown>[]): PriceLists {
  const lists = empty();
  for (const row of rows) {
    const name = String(row["model_name"] ?? "");
    const take = (table: TableName) => typeof row[table] === "number" && (lists[table][name] = row[table]);
    if (!name) continue;
    if (row["quota_type"] === 1) take("model_price");
    else (["model_ratio", "completion_ratio", "cache_ratio"] as const).forEach(take);
  }
  return lists;
}

/** OpenRouter's models: {id, pricing: {prompt, completion, input_cache_read}} in USD per token, as text. */
function readModels(rows: Record<string, unknown>[]): PriceLists {
  const lists = empty();
  for (const row of rows) {
    const pricing = row["pricing"];
    if (!isObject(pricing)) continue;
    const name = String(row["id"] ?? "").replace(/^[^/]+\//, ""); // vendor/model
    const prompt = Number(pricing["prompt"]);
    const completion = Number(pricing["completion"]);
    const cached = Number(pricing["input_cache_read"] ?? Number.NaN);
    if (!name || !(prompt > 0)) continue;
    lists.model_ratio[name] = round((prompt * 1_000_000) / USD_PER_RATIO);
    if (completion >= 0) lists.completion_ratio[name] = round(completion / prompt);
    if (cached >= 0) lists.cache_ratio[name] = round(cached / prompt);
  }
  return lists;
}

/** Null when the document is none of the known shapes. */
export function readUpstream(document: unknown): PriceLists | null {
  const inner = isObject(document) && "data" in document ? document["data"] : document;
  if (Array.isArray(inner)) {
    const rows = inner.filter(isObject);
    if (rows.some((row) => "model_name" in row)) return readPricing(rows);
    if (rows.some((row) => "pricing" in row)) return readModels(rows);
    return null;
  }
  if (!isObject(inner) || !Object.keys(TABLES).some((table) => isObject(inner[table]))) return null;
  return { model_ratio: readTable(inner["model_ratio"]), completion_ratio: readTable(inner["completion_ratio"]), cache_ratio: readTable(inner["cache_ratio"]), model_price: readTable(inner["model_price"]) };
}

export interface Difference {
  id: string; // table and model
  table: TableName;
  model: string;
  ours: number | null; // null: not priced here
  theirs: number;
}
/** What differs from our tables; `own`: option key → JSON text. */
export function differences(own: (key: string) => string, theirs: PriceLists): Difference[] {
  return (Object.keys(TABLES) as TableName[]).flatMap((table) => {
    const ours = readPrices(own(TABLES[table]));
    return Object.entries(theirs[table])
      .filter(([model, value]) => ours[model] !== value)
      .map(([model, value]) => ({ id: `${table}:${model}`, table, model, ours: ours[model] ?? null, theirs: value }));
  });
}

/** Option key → new JSON text, for the tables that the chosen differences touch. */
export function applyDifferences(own: (key: string) => string, chosen: readonly Difference[]): Record<string, string> {
  const changed: Record<string, string> = {};
  for (const table of Object.keys(TABLES) as TableName[]) {
    const of = chosen.filter((one) => one.table === table);
    if (of.length) changed[TABLES[table]] = JSON.stringify({ ...readPrices(own(TABLES[table])), ...Object.fromEntries(of.map((one) => [one.model, one.theirs])) }, null, 2);
  }
  return changed;
}
