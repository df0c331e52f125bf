import { describe, expect, it } from "vitest";
import { applyDifferences, differences, readUpstream } from "./upstream-prices";

const pricing = { data: [{ model_name: "a", quota_type: 0, model_ratio: 1.25, completion_ratio: 4, model_price: 0 }, { model_name: "p", quota_type: 1, model_ratio: 0, model_price: 0.02 }] };

describe("documents of others", () => {
  it("a gateway's prices", () => expect(readUpstream(pricing)).toEqual({ model_ratio: { a: 1.25 }, completion_ratio: { a: 4 }, cache_ratio: {}, model_price: { p: 0.02 } }));
  it("a ratio export", () => expect(readUpstream({ success: true, data: { model_ratio: { a: 1, bad: "x", less: -1 }, cache_ratio: { a: 0.5 } } })).toEqual({ model_ratio: { a: 1 }, completion_ratio: {}, cache_ratio: { a: 0.5 }, model_price: {} }));
  it("dollars per token, as text", () =>
    expect(readUpstream({ data: [{ id: "vendor/a", pricing: { prompt: "0.0000025", completion: "0.00001", input_cache_read: "0.00000125" } }, { id: "free", pricing: { prompt: "0" } }] })).toEqual({ model_ratio: { a: 1.25 }, completion_ratio: { a: 4 }, cache_ratio: { a: 0.5 }, model_price: {} }));
  it.each([[null], ["text"], [[1, 2]], [{ data: [] }], [{ message: "no" }]])("%o is none", (document) => expect(readUpstream(document)).toBeNull());
});

describe("what would change", () => {
  const own = (key: string) => ({ ModelRatio: '{"a": 1, "same": 3}', CompletionRatio: "{}" })[key] ?? "{}";
  const theirs = { model_ratio: { a: 1.25, same: 3 }, completion_ratio: { a: 4 }, cache_ratio: {}, model_price: {} };
  it("is what differs", () => expect(differences(own, theirs).map((one) => [one.table, one.model, one.ours, one.theirs])).toEqual([["model_ratio", "a", 1, 1.25], ["completion_ratio", "a", null, 4]]));
  it("goes into the tables and leaves the rest alone", () => expect(JSON.parse(applyDifferences(own, differences(own, theirs))["ModelRatio"]!)).toEqual({ a: 1.25, same: 3 }));
  it("nothing chosen changes nothing", () => expect(applyDifferences(own, [])).toEqual({}));
});
