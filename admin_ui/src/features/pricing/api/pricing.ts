// Prices of the models, for a group of users.
import { queryOptions } from "@tanstack/react-query";
import { api } from "@/shared/api/client";
import type { PriceRow, Pricing } from "@/shared/api/types";

export const pricingQuery = queryOptions({
  queryKey: ["pricing"],
  queryFn: ({ signal }) => api.getRaw<Pricing>("/api/pricing", { signal }),
  staleTime: 60_000,
});

export interface Price {
  perCall: number | null; // USD
  input: number; // USD for a million tokens
  output: number;
  cached: number | null;
}

/** A ratio of 1 is one quota for one token: 1 000 000 / quota_per_unit USD for a million. */
export function priceOf(row: PriceRow, groupRatio: number, quotaPerUnit: number): Price {
  if (row.quota_type === 1) return { perCall: row.model_price * groupRatio, input: 0, output: 0, cached: null };
  const input = row.model_ratio * (1_000_000 / quotaPerUnit) * groupRatio;
  return { perCall: null, input, output: input * row.completion_ratio, cached: row.cache_ratio === undefined ? null : input * row.cache_ratio };
}
