// /api/status: what this installation is called and what it offers. Read once at start, kept fresh in the background.
import { queryOptions, useQuery } from "@tanstack/react-query";
import { api } from "./client";
import type { Status } from "./types";

export const statusQuery = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => api.get<Status>("/api/status", { signal }),
  staleTime: 5 * 60_000, // ms
});

export function useStatus(): Status | undefined {
  return useQuery(statusQuery).data;
}
