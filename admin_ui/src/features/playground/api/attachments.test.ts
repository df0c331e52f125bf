import { expect, it } from "vitest";
import { fitWithin, kindOf, readAttachment } from "./attachments";

it.each([
  [4096, 1024, 2048, 512],
  [1000, 500, 1000, 500],
  [1, 9000, 1, 2048],
])("%i×%i becomes %i×%i", (width, height, toWidth, toHeight) => expect(fitWithin(width, height, 2048)).toEqual({ width: toWidth, height: toHeight }));
it.each([
  ["image/heic", "a.heic", "image"],
  ["application/pdf", "a.pdf", "document"],
  ["", "notes.md", "text"],
  ["application/json", "a", "text"],
  ["application/zip", "a.zip", null],
])("%s %s is %s", (type, name, expected) => expect(kindOf({ type, name })).toBe(expected));
it("reads a text, and refuses one that is too long", async () => {
  expect(await readAttachment(new File(["hello"], "a.txt", { type: "text/plain" }))).toEqual({ kind: "text", name: "a.txt", data: "hello" });
  await expect(readAttachment(new File(["x".repeat(600_000)], "b.txt", { type: "text/plain" }))).rejects.toMatchObject({ reason: "size" });
});
