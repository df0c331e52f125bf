// Redemption codes.
import { api, type ListQuery } from "@/shared/api/client";
import type { Redemption } from "@/shared/api/types";

export const REDEMPTIONS = ["redemptions"] as const;
export const listCodes = (list: ListQuery, signal: AbortSignal) => api.getPage<Redemption>(list.filters?.["keyword"] ? "/api/redemption/search" : "/api/redemption/", "from1", list, signal);
export interface CodeWrite {
  name: string;
  quota: number; // units
  expired_time: number; // Unix s; 0 never
}
/** The new codes themselves. */
export const createCodes = (body: CodeWrite & { count: number }) => api.post<string[]>("/api/redemption/", body);
export const updateCode = (body: CodeWrite & { id: number }) => api.put<Redemption>("/api/redemption/", body);
export const setCodeStatus = (id: number, status: number) => api.put<Redemption>("/api/redemption/", { id, status }, { query: { status_only: true } });
export const deleteCode = (id: number) => api.delete<null>(`/api/redemption/${id}`);
