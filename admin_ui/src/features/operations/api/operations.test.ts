import { describe, expect, it } from "vitest";
import type { Job } from "@/shared/api/types";
import { byTrouble, lastReconciliation, readSchedule, stateOf, writeFacts } from "./operations";

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

it("writes the facts of an audit entry in one line", () => {
  expect(writeFacts({ role: 10, members: ["quota"], note: "x", gone: null })).toBe('role: 10, members: ["quota"], note: x, gone: ');
});
