import { describe, expect, it } from "vitest";
import { expandChatLink, isSafeLink, readChatLinks } from "./chat-links";

const values = { key: "sk-abc", address: "https://api.example.com" };

describe("chat links", () => {
  it.each([
    ['https://a/#/?s={"key":"{key}","url":"{address}"}', 'https://a/#/?s={"key":"sk-abc","url":"https%3A%2F%2Fapi.example.com"}'],
    ["ama://set?server={address}&key={key}&again={key}", "ama://set?server=https%3A%2F%2Fapi.example.com&key=sk-abc&again=sk-abc"],
    ["x://{address_raw}/{key_uri}?m={model}", "x://https://api.example.com/sk-abc?m="],
    ["x://?s={json:nextchat}", `x://?s=${encodeURIComponent('{"key":"sk-abc","url":"https://api.example.com"}')}`],
    ["x://?s={json:unknown}", "x://?s={json:unknown}"],
  ])("%s", (template, expected) => expect(expandChatLink(template, values)).toBe(expected));

  it("base64 payloads survive a URL", () => {
    const data = expandChatLink("{b64:cherry}", values);
    expect(JSON.parse(atob(decodeURIComponent(data)))).toMatchObject({ apiKey: "sk-abc", baseUrl: "https://api.example.com" });
  });
  it("an entry with two pairs is left out, numbering stays", () => expect(readChatLinks([{ a: "1", b: "2" }, { c: "3" }])).toEqual([{ index: 1, name: "c", template: "3" }]));
  it.each([["javascript:alert(1)", false], ["data:text/html,x", false], ["ama://x", true], ["https://x", true], ["nothing", false]])("%s may be opened: %s", (url, ok) => expect(isSafeLink(url)).toBe(ok));
});
