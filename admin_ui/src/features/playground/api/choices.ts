// What may be chosen: models and groups of the account.
import { queryOptions } from "@tanstack/react-query";
import { api } from "@/shared/api/client";
import type { GroupInfo } from "@/shared/api/types";

export const modelsQuery = queryOptions({ queryKey: ["models", "own"], queryFn: ({ signal }) => api.get<string[]>("/api/user/models", { signal }), staleTime: 60_000 });
export const groupsQuery = queryOptions({ queryKey: ["groups", "own"], queryFn: ({ signal }) => api.get<Record<string, GroupInfo>>("/api/user/self/groups", { signal }), staleTime: 60_000 });

export const MODELS_MAX = 4; // side by side; more do not fit a screen
