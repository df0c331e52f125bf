// The same action on many rows: a few at a time, and a report of what worked.
import { ApiError } from "./client";
import type { BulkReport } from "./types";

const AT_ONCE = 4;

export async function runEach(ids: readonly number[], run: (id: number) => Promise<unknown>, onProgress?: (done: number) => void): Promise<BulkReport> {
  const report: BulkReport = { succeeded: [], failed: [] };
  const queue = [...ids];
  const worker = async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      try {
        await run(id);
        report.succeeded.push(id);
      } catch (error) {
        report.failed.push({ id, code: error instanceof ApiError ? error.code : "", message: error instanceof Error ? error.message : String(error) });
      }
      onProgress?.(report.succeeded.length + report.failed.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ids.length) }, worker));
  return report;
}
