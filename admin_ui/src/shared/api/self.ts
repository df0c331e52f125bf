// Who is signed in: the account behind the session cookie, and what its role may see.
import { queryOptions, useQuery } from "@tanstack/react-query";
import { ApiError, api, session } from "./client";
import { Role, type User } from "./types";

/** null = nobody is signed in. */
export const selfQuery = queryOptions({
  queryKey: ["self"],
  queryFn: async ({ signal }): Promise<User | null> => {
    if (session.userId() === null) return null;
    try {
      return await api.get<User>("/api/user/self", { signal });
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
        session.end();
        return null;
      }
      throw error;
    }
  },
  staleTime: 30_000, // ms
});

export function useSelf(): User | null {
  return useQuery(selfQuery).data ?? null;
}

export function useIsAdmin(): boolean {
  return (useSelf()?.role ?? 0) >= Role.admin;
}
