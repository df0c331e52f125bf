// What an answer cost: the log knows it a moment after the call ended.
import { api } from "@/shared/api/client";
import type { LogRow } from "@/shared/api/types";

const WAITS_MS = [500, 1000, 2000, 4000, 8000]; // settlement takes a second or two
const CHARGED = 2; // type of a log row

const sleep = (ms: number) => new Promise((resolve) => window.setTimeout(resolve, ms));

/** Quota units; null when the log does not tell (calls are not logged, or settlement is late). */
export async function readCharge(requestId: string, waitsMs: readonly number[] = WAITS_MS): Promise<number | null> {
  for (const ms of waitsMs) {
    await sleep(ms);
    const page = await api.getPage<LogRow>("/api/log/self", "from1", { page: 1, pageSize: 10, filters: { request_id: requestId } }).catch(() => null);
    const row = page?.items.find((one) => one.type === CHARGED);
    if (row) return row.quota;
  }
  return null;
}
