// Values are checked before they are sent, and a table of prices tells what it would change.
import { describe, expect, it } from "vitest";
import { type Spec, specOf as spec } from "./option-samples.test-data";
import { checkValue, isSame, priceChanges } from "./options";

describe("checkValue", () => {
  it.each([
    [{ kind: "int" }, "1.5", "whole"],
    [{ kind: "int" }, "", "number"],
    [{ kind: "int", lowest: 1 }, "0", "low"],
    [{ kind: "float", highest: 2 }, "2.5", "high"],
    [{ kind: "float" }, "2.5", null],
    [{ kind: "url" }, "example.com", "url"],
    [{ kind: "url" }, "", null],
    [{ kind: "json:dict", shape: "numbers" }, "[]", "shape"],
    [{ kind: "json:dict", shape: "numbers" }, '{"a":"x"}', "shape"],
    [{ kind: "json:dict", shape: "numbers" }, '{"a":1}', null],
    [{ kind: "json:list", shape: "names" }, "[]", null],
    [{ kind: "json:dict" }, "{", "syntax"],
    [{ kind: "prices" }, '{"a":"1"}', "prices"],
    [{ kind: "prices" }, '{"a":1}', null],
    [{ kind: "prices" }, '{"a":-1}', null],
    [{ kind: "prices", key: "GroupRatio" }, '{"a":-1}', "prices"],
  ] as [Partial<Spec>, string, string | null][])("%o %s", (changes, value, problem) => {
    expect(checkValue(spec(changes), value)).toBe(problem);
  });
});

describe("priceChanges", () => {
  it("names new, changed and removed prices", () => {
    expect(priceChanges('{"a":1,"b":2,"c":3}', '{"a":1,"b":5,"d":4}')).toEqual([
      { name: "b", before: 2, after: 5 },
      { name: "c", before: 3, after: null },
      { name: "d", before: null, after: 4 },
    ]);
  });
});

it("the layout of JSON is no change, its values are", () => {
  expect(isSame(spec({ kind: "prices" }), '{"a":1,"b":2}', '{ "b": 2.0, "a": 1 }')).toBe(true);
  expect(isSame(spec({ kind: "prices" }), '{"a":1}', '{"a":2}')).toBe(false);
  expect(isSame(spec({ kind: "str" }), "{}", "{ }")).toBe(false);
});
