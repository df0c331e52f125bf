import { expect, it } from "vitest";
import { runEach } from "./run-each";

it("runs every id once, reports failures apart and never more than four at once", async () => {
  let running = 0;
  let most = 0;
  const report = await runEach([1, 2, 3, 4, 5, 6, 7], async (id) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    if (id === 3) throw new Error("no");
  });
  expect(report.succeeded.sort()).toEqual([1, 2, 4, 5, 6, 7]);
  expect(report.failed).toEqual([{ id: 3, code: "", message: "no" }]);
  expect(most).toBeLessThanOrEqual(4);
});
