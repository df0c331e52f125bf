// Which models still need a price, and pricing many at once.
import { expect, it } from "vitest";
import { fillPrices, unpricedModels } from "./unpriced";

const own = (key: string) => ({ ModelRatio: '{"a":1,"gone":-1}', ModelPrice: '{"b":0.1}' })[key] ?? "{}";

it("those with neither a ratio nor a price per call", () => expect(unpricedModels(["a", "b", "c", "c", "gone"], own)).toEqual(["c", "gone"]));
it("by token", () => {
  const changes = fillPrices(["c", "d"], { ratio: 1.25, completion: 4, price: null }, own);
  expect(JSON.parse(changes["ModelRatio"]!)).toEqual({ a: 1, gone: -1, c: 1.25, d: 1.25 });
  expect(JSON.parse(changes["CompletionRatio"]!)).toEqual({ c: 4, d: 4 });
  expect(changes["ModelPrice"]).toBeUndefined();
});
it("by call", () => expect(Object.keys(fillPrices(["c"], { ratio: 1, completion: 1, price: 0.02 }, own))).toEqual(["ModelPrice"]));
