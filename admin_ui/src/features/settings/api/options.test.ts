// Values are checked before they are sent, and a table of prices tells what it would change.
import { describe, expect, it } from "vitest";
import { checkValue, type OptionSpec, priceChanges } from "./options";

const spec = (changes: Partial<OptionSpec>): OptionSpec => ({ key: "x", kind: "str", default: "", group: "g", help_en: "", help_zh: "", lowest: null, highest: null, choices: [], secret: false, restart: false, ...changes });

describe("checkValue", () => {
  it.each([
    [{ kind: "int" }, "1.5", "whole"],
    [{ kind: "int" }, "", "number"],
    [{ kind: "int", lowest: 1 }, "0", "low"],
    [{ kind: "float", highest: 2 }, "2.5", "high"],
    [{ kind: "float" }, "2.5", null],
    [{ kind: "url" }, "example.com", "url"],
    [{ kind: "url" }, "", null],
    [{ kind: "json:dict" }, "[]", "shape"],
    [{ kind: "json:list" }, "[]", null],
    [{ kind: "json:dict" }, "{", "syntax"],
    [{ kind: "prices" }, '{"a":"1"}', "prices"],
    [{ kind: "prices" }, '{"a":1}', null],
  ] as [Partial<OptionSpec>, string, string | null][])("%o %s", (changes, value, problem) => {
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
