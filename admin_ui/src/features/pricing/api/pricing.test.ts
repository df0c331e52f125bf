import { expect, it } from "vitest";
import type { PriceRow } from "@/shared/api/types";
import { priceOf } from "./pricing";

const row = { model_name: "m", quota_type: 0, model_ratio: 1.25, model_price: 0, owner_by: "", completion_ratio: 4, cache_ratio: 0.5 } as PriceRow;
it("a ratio of 1.25 is $2.50 for a million tokens", () => expect(priceOf(row, 1, 500_000)).toEqual({ perCall: null, input: 2.5, output: 10, cached: 1.25 }));
it("a price for each call is multiplied by the group", () => expect(priceOf({ ...row, quota_type: 1, model_price: 0.1 }, 0.5, 500_000).perCall).toBeCloseTo(0.05));
