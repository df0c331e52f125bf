import { describe, expect, it } from "vitest";
import type { AuditEntry, Books, Job } from "@/shared/api/types";
import { auditRows, byTrouble, differencesOf, lastLoss, lastReconciliation, readSchedule, stateOf, writeFacts } from "./operations";

const job = (name: string, more: Partial<Job> = {}): Job => ({ name, schedule: "", may_run_now: true, timeout_s: 60, next_at: 0, started_at: 0, seconds: null, ok: null, error: "", result: "", node: "", runs: 0, failures: 0, ...more });

describe("schedules", () => {
  it.each([
    ["every 45 s", { unit: "seconds", count: 45 }],
    ["every 600 s", { unit: "minutes", count: 10 }],
    ["every 5400 s", { unit: "minutes", count: 90 }],
    ["every 7200 s", { unit: "hours", count: 2 }],
    ["daily 03:30", { unit: "daily", at: "03:30" }],
    ["", null],
    ["whenever", null],
  ])("%s", (text, schedule) => expect(readSchedule(text)).toEqual(schedule));
});

describe("jobs", () => {
  it("puts what failed first and what never ran last", () => {
    const jobs = [job("a"), job("b", { ok: true }), job("c", { ok: false }), job("d", { ok: false })];
    expect([...jobs].sort(byTrouble).map((one) => one.name)).toEqual(["c", "d", "b", "a"]);
    expect(jobs.map(stateOf)).toEqual(["never", "ok", "failed", "failed"]);
  });
  it("takes the newer of both reconciliations, none that never ran", () => {
    const jobs = [job("reconcile", { started_at: 20 }), job("reconcile_all", { started_at: 10 }), job("prune", { started_at: 90 })];
    expect(lastReconciliation(jobs)?.name).toBe("reconcile");
    expect(lastReconciliation([job("reconcile")])).toBeUndefined();
  });
});

describe("what Redis lost", () => {
  const books = (...noticed: string[]) => ({ drifts: 0, drift_units: 0, losses: noticed.map((at) => ({ noticed: at })) }) as Books;
  it.each([
    [books(), null],
    [books("2026-01-02T00:00:00.000Z", "2026-01-01T00:00:00.000Z"), Date.UTC(2026, 0, 2) / 1000],
    [books("2025-12-20T00:00:00.000Z"), null],
    [{ losses: [{ action: "redis.restarted", noticed: "2026-01-02T00:00:00.000Z" }] } as Books, null],
  ])("is shown for a week, the newest of it (%#)", (found, at) => expect(lastLoss(found, Date.UTC(2026, 0, 3) / 1000)).toBe(at));
});

it("writes the facts of an audit entry in one line", () => {
  expect(writeFacts({ role: 10, members: ["quota"], note: "x", gone: null })).toBe('role: 10, members: ["quota"], note: x, gone: ');
});

describe("a change", () => {
  it("is told member by member", () => expect(differencesOf({ before: { a: 1, gone: 2 }, after: { a: 3, fresh: 4 } })).toEqual([{ member: "a", before: 1, after: 3 }, { member: "fresh", before: undefined, after: 4 }, { member: "gone", before: 2, after: undefined }]));
  it.each([["3", "5"], [null, { a: 1 }], [[1], [2]]])("%o to %o is one value", (before, after) => expect(differencesOf({ before, after })).toBeNull());
  it("fills a row of a spreadsheet", () => {
    const entry = { id: 1, at: 0, actor_id: 2, actor: "grace", action: "option.write", target: "option:x", before: { a: 1 }, after: { a: 2 }, detail: {}, ip: "::1" } as AuditEntry;
    expect(auditRows([entry])[1]).toEqual(["1970-01-01T00:00:00.000Z", 2, "grace", "option.write", "option:x", '{"a":1}', '{"a":2}', "", "::1"]);
  });
});
