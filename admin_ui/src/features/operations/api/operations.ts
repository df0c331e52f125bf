// What runs this installation: background jobs, processes, the books, and who changed what. All of it is root's.
import { queryOptions } from "@tanstack/react-query";
import { api, type ListQuery, type Query } from "@/shared/api/client";
import type { AuditEntry, Books, Job, ServerNode } from "@/shared/api/types";

export const OPERATIONS = ["operations"] as const;
export const JOBS = [...OPERATIONS, "jobs"] as const;
const LOOK_MS = 5000; // between two looks at what is going on now

export const jobsQuery = queryOptions({ queryKey: JOBS, queryFn: ({ signal }) => api.get<Job[]>("/api/jobs", { signal }), refetchInterval: LOOK_MS });
export const nodesQuery = queryOptions({ queryKey: [...OPERATIONS, "nodes"], queryFn: ({ signal }) => api.get<ServerNode[]>("/api/nodes", { signal }), refetchInterval: LOOK_MS });
export const booksQuery = queryOptions({ queryKey: [...OPERATIONS, "books"], queryFn: ({ signal }) => api.get<Books>("/api/books", { signal }), refetchInterval: LOOK_MS });
export const runJob = (name: string) => api.post<{ job_id: string }>(`/api/jobs/${encodeURIComponent(name)}/run`);
const EXPORT_PAGES = 100; // of 100 entries
/** Every entry that the filters let through, the newest first; at most 10 000. */
export async function exportAudit(filters: Query): Promise<AuditEntry[]> {
  const rows: AuditEntry[] = [];
  for (let page = 1; page <= EXPORT_PAGES; page++) {
    const reply = await api.getPage<AuditEntry>("/api/audit", "from1", { page, pageSize: 100, filters });
    rows.push(...reply.items);
    if (reply.items.length === 0 || rows.length >= reply.total) break;
  }
  return rows;
}
export const listAudit = (list: ListQuery, signal: AbortSignal) => api.getPage<AuditEntry>("/api/audit", "from1", list, signal);

/** What the audit's filter offers; texts: operations.did.<code with _ for .>. */
export const ACTIONS = [
  "channel.bulk", "channel.copy", "channel.create", "channel.delete", "channel.reveal_key", "channel.tag", "channel.update", "job.run", "log.delete", "option.write",
  "ledger.reprice", "payment.refused", "redemption.create", "redemption.delete", "redemption.update", "redis.emptied", "redis.restarted", "redis.rewound", "token.reveal", "user.2fa_backup_codes", "user.2fa_off", "user.2fa_on", "user.access_token", "user.bind", "user.create", "user.delete",
  "user.delete_for_good", "user.demote", "user.disable", "user.email", "user.enable", "user.passkey_add", "user.passkey_remove", "user.password_reset", "user.promote", "user.topup", "user.unbind", "user.update",
];

export type JobState = "failed" | "ok" | "never";
export const stateOf = (job: Job): JobState => (job.ok === null ? "never" : job.ok ? "ok" : "failed");
const TROUBLE: Record<JobState, number> = { failed: 0, ok: 1, never: 2 };
/** Failed ones first, then by name. */
export const byTrouble = (a: Job, b: Job) => TROUBLE[stateOf(a)] - TROUBLE[stateOf(b)] || a.name.localeCompare(b.name);

/** "every 600 s" → {unit: "minutes", count: 10}; "daily 03:30" → {unit: "daily", at}; null: started by what it is about. */
export type Schedule = { unit: "seconds" | "minutes" | "hours"; count: number } | { unit: "daily"; at: string } | null;
export function readSchedule(text: string): Schedule {
  const daily = /^daily (\d\d:\d\d)/.exec(text)?.[1];
  if (daily) return { unit: "daily", at: daily };
  const seconds = Number(/^every (\d+) s$/.exec(text)?.[1] ?? 0);
  if (!seconds) return null;
  if (seconds % 3600 === 0) return { unit: "hours", count: seconds / 3600 };
  if (seconds % 60 === 0) return { unit: "minutes", count: seconds / 60 };
  return { unit: "seconds", count: seconds };
}

/** When the books were last looked at, and whether that worked. */
export function lastReconciliation(jobs: readonly Job[]): Job | undefined {
  return jobs.filter((job) => job.name.startsWith("reconcile") && job.started_at > 0).sort((a, b) => b.started_at - a.started_at)[0];
}

const LOSS_SHOWN_S = 7 * 86_400;
/** When Redis was last found without what it had been told, Unix s; null: not within a week. A restart alone is none. */
export function lastLoss(books: Books, nowS: number): number | null {
  const at = Date.parse(books.losses?.find((loss) => loss.action !== "redis.restarted")?.noticed ?? "") / 1000;
  return nowS - at < LOSS_SHOWN_S ? at : null;
}

/** A value of the audit in one line. */
export const writeValue = (value: unknown): string => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
/** The facts of an entry in one line: "role: 10, members: [quota]". */
export const writeFacts = (detail: Record<string, unknown>): string => Object.entries(detail).map(([name, value]) => `${name}: ${writeValue(value)}`).join(", ");

export interface Difference {
  member: string;
  before: unknown; // undefined: was not there
  after: unknown;
}
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
/** A change member by member where both sides have members; null where one value became another. */
export function differencesOf(entry: Pick<AuditEntry, "before" | "after">): Difference[] | null {
  const { before, after } = entry;
  if (!isObject(before) || !isObject(after)) return null;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().map((member) => ({ member, before: before[member], after: after[member] }));
}
/** Rows of a spreadsheet, codes and not their texts: they stay the same in every language. */
export const auditRows = (entries: readonly AuditEntry[]): (string | number)[][] => [
  ["time", "actor_id", "actor", "action", "target", "before", "after", "detail", "ip"],
  ...entries.map((entry) => [new Date(entry.at * 1000).toISOString(), entry.actor_id, entry.actor, entry.action, entry.target, writeValue(entry.before), writeValue(entry.after), writeFacts(entry.detail), entry.ip]),
];
