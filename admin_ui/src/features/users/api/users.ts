// Accounts as administrators see them.
import { queryOptions } from "@tanstack/react-query";
import { api, type ListQuery } from "@/shared/api/client";
import type { User } from "@/shared/api/types";

export const USERS = ["users"] as const;
export type UserAction = "enable" | "disable" | "delete" | "promote" | "demote";

export function listUsers(list: ListQuery, signal: AbortSignal) {
  const searching = list.filters?.["keyword"] || list.filters?.["group"];
  return api.getPage<User>(searching ? "/api/user/search" : "/api/user/", "from1", list, signal);
}
export interface UserWrite {
  username: string;
  password: string;
  display_name: string;
  group: string;
  quota?: number; // units; left out = unchanged
}
export const createUser = (body: UserWrite & { role: number }) => api.post<User>("/api/user/", body);
export const updateUser = (body: UserWrite & { id: number }) => api.put<null>("/api/user/", body);
export const grantQuota = (user_id: number, quota: number, remark: string) => api.post<null>("/api/topup", { user_id, quota, remark });
export const manageUser = (id: number, action: UserAction) => api.post<null>("/api/user/manage", { id, action });
export const resetSecondStep = (id: number) => api.delete<null>(`/api/user/${id}/2fa`);
export const allGroupsQuery = queryOptions({ queryKey: ["groups", "all"], queryFn: ({ signal }) => api.get<string[]>("/api/group/", { signal }), staleTime: 60_000 });
