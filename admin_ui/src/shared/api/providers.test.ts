import { describe, expect, it } from "vitest";
import { readTelegramAnswer } from "./providers";

const packed = (fields: object) => btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(fields)))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

describe("what Telegram brings back", () => {
  it("reads numbers as texts and names in any script", () => {
    expect(readTelegramAnswer(`#tgAuthResult=${packed({ id: 42, first_name: "安", hash: "ab" })}`)).toEqual({ id: "42", first_name: "安", hash: "ab" });
  });
  it.each(["", "#other=1", "#tgAuthResult=%%%", "#tgAuthResult=bm90anNvbg"])("%s is nothing of Telegram's", (hash) => expect(readTelegramAnswer(hash)).toBeNull());
});
