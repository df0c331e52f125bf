import { expect, it } from "vitest";
import { byTrouble, changeOf, changeRatio, type ChannelHealth, type EventRow, heatLevel } from "./health";

const channel = (channel_id: number, state: ChannelHealth["state"], failures = 0, calls = 0) => ({ channel_id, state, failures, calls }) as ChannelHealth;

it("puts trouble first", () => {
  const rows = [channel(1, "idle"), channel(2, "good", 0, 9), channel(3, "bad", 2), channel(4, "degraded", 5), channel(5, "bad", 7), channel(6, "off")];
  expect(rows.sort(byTrouble).map((row) => row.channel_id)).toEqual([5, 3, 4, 6, 2, 1]);
});
it.each([[110, 100, 0.1], [50, 100, -0.5], [5, 0, null], [null, 10, null], [5, undefined, null]])("%s against %s is a change of %s", (now, before, expected) => {
  const change = changeRatio(now, before);
  if (expected === null) expect(change).toBeNull();
  else expect(change).toBeCloseTo(expected);
});
it.each([
  ["status", "rule:1", 3, "", "auto_disable"], ["status", "user:1", 2, "", "disable"], ["status", "probe", 1, "", "auto_enable"], ["status", "user:1", 1, "", "enable"],
  ["drain", "user:1", null, "drained", "drain"], ["drain", "user:1", null, "takes calls again", "undrain"], ["key", "rule:1", null, "", "key"], ["breaker", "", null, "", "other"],
])("%s by %s to %s (%s) is %s", (kind, actor, to_status, reason, expected) => expect(changeOf({ at: 1, kind, actor, reason, to_status } as EventRow)).toBe(expected));
it.each([[0, 0, 0], [1000, 5, 1], [100, 2, 2], [10, 1, 3], [10, 3, 4], [10, 4, 5]])("%s calls, %s failed: level %s", (calls, failures, level) => expect(heatLevel(calls, failures)).toBe(level));
