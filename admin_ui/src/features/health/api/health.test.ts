import { expect, it } from "vitest";
import { byTrouble, changeRatio, type ChannelHealth } from "./health";

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
