import { describe, expect, it } from "vitest";
import { changeOf, cut, DAY_S, grainsOf, HOUR_S, rangeBefore, rangeOf, type Slot, slotOf } from "./usage";
import type { Usage } from "@/shared/api/types";

const MONDAY = 1_700_438_400; // 2023-11-20 00:00 UTC
const slot = (key: string, at: number, quota: number): Slot => ({ key, name: key && `name ${key}`, at, quota, calls: 1, errors: 0, quota_saved: 0, prompt_tokens: 10, cached_tokens: 4, completion_tokens: 5 });
const usage = (...slots: Slot[]): Usage => ({ slots, entries: [], total: { calls: 0, errors: 0, quota: 0, quota_saved: 0, prompt_tokens: 0, cached_tokens: 0, completion_tokens: 0 } });

describe("slots", () => {
  it.each([
    ["an hour", MONDAY + 5000, "hour", 0, MONDAY + 3600],
    ["a day in UTC", MONDAY + 5000, "day", 0, MONDAY],
    ["a day one hour east begins at 23:00", MONDAY - 1800, "day", HOUR_S, MONDAY - HOUR_S],
    ["a week begins on Monday", MONDAY + 6 * DAY_S, "week", 0, MONDAY],
    ["Sunday belongs to the week before", MONDAY - 1, "week", 0, MONDAY - 7 * DAY_S],
  ] as const)("%s", (_, at, grain, offset, expected) => expect(slotOf(at, grain, offset)).toBe(expected));
});

describe("a chart's rows", () => {
  const range = { from: MONDAY, to: MONDAY + 3 * DAY_S - 1 };
  it("have every slot, the largest series first and the others last", () => {
    const found = cut(usage(slot("", MONDAY, 900), slot("a", MONDAY, 10), slot("b", MONDAY + 2 * DAY_S, 30)), range, "day", "quota", 0);
    expect(found.times).toEqual([MONDAY, MONDAY + DAY_S, MONDAY + 2 * DAY_S]);
    expect(found.series.map((one) => one.key)).toEqual(["b", "a", ""]);
    expect(found.values).toEqual([[0, 10, 900], [0, 0, 0], [30, 0, 0]]);
  });
  it("count tokens of both kinds", () => expect(cut(usage(slot("a", MONDAY, 1)), range, "day", "tokens", 0).values[0]).toEqual([15]));
});

describe("ranges", () => {
  it.each([
    ["a whole day", { from: MONDAY, to: MONDAY + DAY_S - 1 }, 24, MONDAY],
    ["a day that began within an hour", { from: MONDAY + 1500, to: MONDAY + DAY_S + 1500 }, 24, MONDAY],
    ["nearly another hour", { from: MONDAY + 3000, to: MONDAY + DAY_S + 3000 }, 25, MONDAY],
    ["the first minutes of a day", { from: MONDAY, to: MONDAY + 300 }, 1, MONDAY],
  ])("the one before %s is as many hours, none of which is counted twice", (_, range, hours, end) => expect(rangeBefore(range)).toEqual({ from: end - hours * HOUR_S, to: end - 1 }));
  it("custom ones never end in the future", () => expect(rangeOf("custom", MONDAY, "2023-11-01", "2030-01-01").to).toBe(MONDAY));
  it("an incomplete custom one is a week", () => expect(rangeOf("custom", MONDAY)).toEqual({ from: MONDAY - 7 * DAY_S, to: MONDAY }));
  it.each([
    [{ from: 0, to: DAY_S }, ["hour", "day"]],
    [{ from: 0, to: 90 * DAY_S }, ["day", "week"]],
  ])("grains of %o", (range, expected) => expect(grainsOf(range)).toEqual(expected));
  it.each([[120, 100, 0.2], [1, 0, null]])("%d after %d is a change of %s", (now, before, expected) => {
    const change = changeOf(now, before);
    expect(change === null ? null : Number(change.toFixed(3))).toBe(expected);
  });
});
