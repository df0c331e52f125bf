// Why a call cost what it cost: the charge of a log row as a table whose sum is the charged quota.
import type { LogRow } from "@/shared/api/types";
import { readJsonObject } from "@/shared/api/json-text";
import { decimal, type Decimal, plus, roundHalfUp, times } from "@/shared/format/decimal";

export interface ChargeLine {
  item: "prompt" | "cached" | "cacheCreation" | "cacheCreationHour" | "completion" | "audioInput" | "audioOutput" | "call";
  count: number; // tokens, or calls
  unit: Decimal; // quota for one, before the group
  amount: Decimal; // count × unit × group, exact
}
export interface Charge {
  lines: ChargeLine[];
  group: Decimal;
  exact: Decimal;
  rounded: bigint; // what the arithmetic says; the server charges at least 1
}

const num = (other: Record<string, unknown>, name: string, fallback = 0): number => (typeof other[name] === "number" ? other[name] : fallback);

/**
 * null when the row carries no arithmetic (top-ups, errors, old rows). Token prices: one token at ratio 1 costs one quota,
 * that is 2 USD for a million at the default of 500 000 quota per USD.
 */
export function readCharge(row: LogRow, quotaPerUnit: number): Charge | null {
  const other = readJsonObject(row.other);
  if (row.type !== 2 || (other["model_ratio"] === undefined && other["model_price"] === undefined)) return null;
  const group = decimal(num(other, "group_ratio", 1));
  const raw: { item: ChargeLine["item"]; count: number; unit: Decimal }[] = [];
  const price = num(other, "model_price", -1);
  if (price >= 0) raw.push({ item: "call", count: 1, unit: times(decimal(price), decimal(quotaPerUnit)) });
  else {
    const model = decimal(num(other, "model_ratio"));
    const completion = times(model, decimal(num(other, "completion_ratio", 1)));
    if (other["audio"] === true || other["ws"] === true) {
      const audio = times(model, decimal(num(other, "audio_ratio", 1)));
      raw.push({ item: "prompt", count: num(other, "text_input"), unit: model });
      raw.push({ item: "completion", count: num(other, "text_output"), unit: completion });
      raw.push({ item: "audioInput", count: num(other, "audio_input"), unit: audio });
      raw.push({ item: "audioOutput", count: num(other, "audio_output"), unit: times(audio, decimal(num(other, "audio_completion_ratio", 1))) });
    } else {
      const cached = num(other, "cache_tokens");
      const written = num(other, "cache_creation_tokens");
      const hour = Math.min(num(other, "cache_creation_tokens_1h"), written);
      const writeRatio = decimal(num(other, "cache_creation_ratio", 1));
      // "estimated" is ours: there the prompt holds all. The predecessor's rows of Claude leave out both, its others hold the cached part.
      const ours = typeof other["estimated"] === "boolean";
      const fresh = row.prompt_tokens - (ours ? cached + written : other["claude"] === true ? 0 : cached);
      raw.push({ item: "prompt", count: fresh, unit: model });
      raw.push({ item: "cached", count: cached, unit: times(model, decimal(num(other, "cache_ratio", 1))) });
      raw.push({ item: "cacheCreation", count: written - hour, unit: times(model, writeRatio) });
      const hourRatio = typeof other["cache_creation_ratio_1h"] === "number" ? decimal(other["cache_creation_ratio_1h"]) : times(writeRatio, decimal("1.6"));
      raw.push({ item: "cacheCreationHour", count: hour, unit: times(model, hourRatio) });
      raw.push({ item: "completion", count: row.completion_tokens, unit: completion });
    }
  }
  const lines = raw.filter((line) => line.count !== 0).map((line) => ({ ...line, amount: times(decimal(line.count), line.unit, group) }));
  const exact = plus(...lines.map((line) => line.amount));
  return { lines, group, exact, rounded: roundHalfUp(exact) };
}
