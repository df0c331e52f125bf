// Log rows: all of them for administrators, their own for users.
import { api, type ListQuery, type Query } from "@/shared/api/client";
import type { LogRow, LogStat } from "@/shared/api/types";

export const LOGS = ["logs"] as const;
export const LOG_TYPES = { 0: "all", 1: "topup", 2: "consume", 3: "manage", 4: "system", 5: "error" } as const;

const path = (isAdmin: boolean, tail = "") => `/api/log/${isAdmin ? tail : `self${tail ? `/${tail}` : ""}`}`;

export const listLogs = (isAdmin: boolean, list: ListQuery, signal: AbortSignal) => api.getPage<LogRow>(path(isAdmin), "from1", list, signal);
export const logStat = (isAdmin: boolean, filters: Query, signal: AbortSignal) => api.get<LogStat>(path(isAdmin, "stat"), { query: filters, signal });

const EXPORT_ROWS_MAX = 20_000; // a browser holds this easily; more belongs into a database dump
/** Every row of the filter, newest first, at most EXPORT_ROWS_MAX. */
export async function exportLogs(isAdmin: boolean, filters: Query): Promise<LogRow[]> {
  const rows: LogRow[] = [];
  const pageSize = isAdmin ? 1000 : 100;
  for (let page = 1; rows.length < EXPORT_ROWS_MAX; page++) {
    const reply = await api.getPage<LogRow>(path(isAdmin), "from1", { page, pageSize, filters });
    rows.push(...reply.items);
    if (reply.items.length < pageSize) break;
  }
  return rows.slice(0, EXPORT_ROWS_MAX);
}
