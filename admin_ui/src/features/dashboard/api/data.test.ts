// Hours become slots without losing any, and are ranked and compared.
import { describe, expect, it } from "vitest";
import type { QuotaData } from "@/shared/api/types";
import { changeOf, rank, slotOf, slots, sumOf } from "./data";

const HOUR = 3600;
const BASE = Math.floor(new Date(2026, 0, 5, 0, 0, 0).getTime() / 1000); // a Monday
const row = (hours: number, model_name: string, quota: number): QuotaData => ({ id: 0, user_id: 0, username: "ann", model_name, created_at: BASE + hours * HOUR, token_used: quota * 2, count: 1, quota });
const ROWS = [row(0, "a", 5), row(1, "b", 7), row(25, "a", 11), row(26, "c", 1)];

describe("slots", () => {
  it("cuts into days, empty ones included, and folds small models into the rest", () => {
    const found = slots(ROWS, { from: BASE, to: BASE + 3 * 24 * HOUR - 1 }, "day", "quota", 1);
    expect(found.names).toEqual(["a", ""]);
    expect(found.values).toEqual([[5, 7], [11, 1], [0, 0]]);
  });
  it("keeps every sum whatever the grain", () => {
    for (const grain of ["hour", "day", "week"] as const) {
      const found = slots(ROWS, { from: BASE, to: BASE + 30 * HOUR }, grain, "quota", 9);
      expect(found.values.flat().reduce((a, b) => a + b, 0)).toBe(sumOf(ROWS).quota);
    }
  });
  it("starts weeks on Monday", () => {
    expect(slotOf(BASE + 6 * 24 * HOUR, "week")).toBe(BASE);
  });
});

it("ranks by the measure", () => {
  expect(rank(ROWS, "model_name", "quota").map((one) => [one.name, one.quota])).toEqual([["a", 16], ["b", 7], ["c", 1]]);
});

it("compares with before, and not with nothing", () => {
  expect(changeOf(12, 10)).toBeCloseTo(0.2);
  expect(changeOf(12, 0)).toBeNull();
});
