// JSON settings become rows and come back as they were.
import { describe, expect, it } from "vitest";
import { columnsOf, mayAdd, namesOf, readRows, type Shape, writeRows } from "./json-rows";

describe("rows", () => {
  it.each([
    ["numbers", { mj: 60, suno: 360 }, [["mj", "60"], ["suno", "360"]]],
    ["texts", { vip: "Research" }, [["vip", "Research"]]],
    ["names", ["vip", "default"], [["vip"], ["default"]]],
    ["limits", { vip: [100, 50] }, [["vip", "100", "50"]]],
    ["ratios", { vip: { default: 0.5, svip: 1 } }, [["vip", "default", "0.5"], ["vip", "svip", "1"]]],
    ["headers", { "claude-3": { "anthropic-beta": ["a", "b"] } }, [["claude-3", "anthropic-beta", "a, b"]]],
  ] as [Shape, unknown, string[][]][])("%s", (shape, json, rows) => {
    expect(readRows(shape, JSON.stringify(json))).toEqual(rows);
    expect(JSON.parse(writeRows(shape, rows))).toEqual(json);
  });
  it.each([
    ["numbers", '{"a":"x"}'],
    ["numbers", '{"a":-1}'],
    ["texts", '{"a":1}'],
    ["names", '{"a":1}'],
    ["limits", '{"vip":[1]}'],
    ["limits", '{"vip":[1,1.5]}'],
    ["ratios", '{"vip":1}'],
    ["headers", '{"m":{"h":[1]}}'],
    ["numbers", "{"],
  ] as [Shape, string][])("%s: %s is of another shape", (shape, text) => expect(readRows(shape, text)).toBeNull());
  it("an empty text has none", () => expect([readRows("names", ""), readRows("ratios", "")]).toEqual([[], []]));
});

it("a row is added once, with all its names", () => {
  const rows = [["vip", "default", "1"]];
  expect(mayAdd("ratios", rows, ["vip", "svip", ""])).toBe(true);
  expect(mayAdd("ratios", rows, ["vip", " default ", "2"])).toBe(false);
  expect(mayAdd("ratios", rows, ["vip", "", "2"])).toBe(false);
});

it("every setting has a column for each name and a value", () => {
  expect(columnsOf("TaskTimeoutMinutes", "numbers").map((column) => column.id)).toEqual(["platform", "minutes"]);
  for (const shape of ["numbers", "texts", "names", "limits", "ratios", "headers"] as Shape[]) expect(columnsOf("any", shape).length).toBeGreaterThanOrEqual(namesOf(shape));
});
