import { describe, expect, it } from "vitest";
import type { LogRow } from "@/shared/api/types";
import { decimal, formatDecimal, plus, roundHalfUp, times } from "@/shared/format/decimal";
import { readCharge } from "./charge";

const row = (prompt: number, completion: number, other: object, type = 2) => ({ type, prompt_tokens: prompt, completion_tokens: completion, other: JSON.stringify(other) }) as LogRow;

describe("decimals", () => {
  it("0.1 + 0.2 is 0.3", () => expect(formatDecimal(plus(decimal(0.1), decimal(0.2)))).toBe("0.3"));
  it.each([["2.5", 3n], ["2.4999", 2n], ["-2.5", -3n], ["1e-7", 0n], ["1.5e3", 1500n]])("%s rounds to %s", (text, whole) => expect(roundHalfUp(decimal(text))).toBe(whole));
  it("groups thousands", () => expect(formatDecimal(times(decimal("1234.50"), decimal(1000)))).toBe("1,234,500"));
});

describe("the charge of a log row", () => {
  it.each([
    ["text", row(1000, 200, { model_ratio: 1.25, completion_ratio: 4, group_ratio: 1, model_price: -1 }), 2250n],
    ["cached tokens are part of the prompt", row(1000, 0, { model_ratio: 1, completion_ratio: 1, group_ratio: 1, model_price: -1, cache_tokens: 400, cache_ratio: 0.5 }), 800n],
    ["Claude's are not", row(1000, 0, { model_ratio: 1, completion_ratio: 5, group_ratio: 1, model_price: -1, claude: true, cache_tokens: 400, cache_ratio: 0.1, cache_creation_tokens: 100, cache_creation_ratio: 1.25 }), 1165n],
    ["our rows of Claude hold all in the prompt", row(1500, 0, { model_ratio: 1, completion_ratio: 5, group_ratio: 1, model_price: -1, claude: true, estimated: false, cache_tokens: 400, cache_ratio: 0.1, cache_creation_tokens: 100, cache_creation_ratio: 1.25 }), 1165n],
    ["written for an hour", row(3521, 393, { model_ratio: 1.5, completion_ratio: 5, group_ratio: 1, model_price: -1, claude: true, estimated: false, cache_tokens: 2000, cache_ratio: 0.1, cache_creation_tokens: 1500, cache_creation_ratio: 1.25, cache_creation_tokens_5m: 500, cache_creation_tokens_1h: 1000, cache_creation_ratio_1h: 2 }), 7217n],
    ["written for an hour, without its ratio", row(0, 0, { model_ratio: 1, completion_ratio: 5, group_ratio: 1, model_price: -1, claude: true, cache_creation_tokens: 1000, cache_creation_ratio: 2.5, cache_creation_tokens_1h: 1000 }), 4000n],
    ["half a quota rounds up", row(1, 0, { model_ratio: 0.5, completion_ratio: 1, group_ratio: 1, model_price: -1 }), 1n],
    ["a price for each call", row(10, 10, { model_price: 0.02, group_ratio: 0.8 }), 8000n],
    ["audio", row(30, 30, { model_ratio: 2, completion_ratio: 2, group_ratio: 1, model_price: -1, audio: true, text_input: 10, text_output: 5, audio_input: 20, audio_output: 25, audio_ratio: 16, audio_completion_ratio: 2 }), 2280n],
  ])("%s", (_, log, expected) => expect(readCharge(log, 500_000)?.rounded).toBe(expected));
  it("the lines add up to the whole", () => {
    const charge = readCharge(row(1234, 567, { model_ratio: 0.075, completion_ratio: 4, group_ratio: 1.1, model_price: -1, cache_tokens: 34, cache_ratio: 0.5 }), 500_000)!;
    expect(formatDecimal(plus(...charge.lines.map((line) => line.amount)))).toBe(formatDecimal(charge.exact));
  });
  it.each([["a top-up", row(0, 0, {}, 1)], ["a row without details", { ...row(1, 1, {}), other: "null" } as LogRow]])("%s has none", (_, log) => expect(readCharge(log, 500_000)).toBeNull());
});
