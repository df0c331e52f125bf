// The cost comes from the log, however late settlement is.
import { afterEach, expect, it, vi } from "vitest";
import { api } from "@/shared/api/client";
import { readCharge } from "./charge";

afterEach(() => vi.restoreAllMocks());
const page = (items: object[]) => ({ items, total: items.length, page: 1, page_size: 10 });

it("asks again until the charge is there, and takes no other row for it", async () => {
  const asked = vi.spyOn(api, "getPage").mockResolvedValueOnce(page([])).mockResolvedValueOnce(page([{ type: 5, quota: 1 }])).mockResolvedValueOnce(page([{ type: 5, quota: 1 }, { type: 2, quota: 42 }]));
  expect(await readCharge("r1", [0, 0, 0, 0])).toBe(42);
  expect(asked).toHaveBeenCalledTimes(3);
});
it("gives up", async () => {
  vi.spyOn(api, "getPage").mockRejectedValue(new Error("away"));
  expect(await readCharge("r1", [0, 0])).toBeNull();
});
