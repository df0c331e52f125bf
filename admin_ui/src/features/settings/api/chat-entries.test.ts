import { describe, expect, it } from "vitest";
import { checkEntry, move, preview, readEntries, writeEntries } from "./chat-entries";

const entry = (name: string, template = "https://chat.example/?k={key}") => ({ name, template });

describe("the list of chat clients", () => {
  it("comes back as it was written", () => expect(readEntries(writeEntries([entry("a"), entry("b")]))).toEqual([entry("a"), entry("b")]));
  it.each(["{}", "[1]", '[{"a":"x","b":"y"}]', "[{}]", "[", '[{"a":1}]'])("%s is no such list", (text) => expect(readEntries(text)).toBeNull());
  it.each([
    ["a good one", [entry("a")], null],
    ["an app", [entry("a", "opencat://team/join?domain={address}&token={key}")], null],
    ["JSON in the fragment", [entry("a", 'https://c.example/#/?settings={"key":"{key}","url":"{address}"}')], null],
    ["no name", [entry(" ")], "name"],
    ["too long a name", [entry("x".repeat(41))], "name"],
    ["a name that is there already", [entry("a"), entry("a")], "twice"],
    ["a script", [entry("a", "javascript:alert(1)")], "link"],
    ["no address", [entry("a", "chat.example/{key}")], "link"],
    ["a placeholder that nothing fills", [entry("a", "https://c.example/{user}")], "unknown"],
  ])("%s", (_, entries, expected) => expect(checkEntry(entries, 0)).toBe(expected));
  it("moves rows and stays inside", () => {
    expect(move([1, 2, 3], 2, -1)).toEqual([1, 3, 2]);
    expect(move([1, 2, 3], 0, -1)).toEqual([1, 2, 3]);
  });
  it("shows what a client will get", () => expect(preview("app://x?server={address}&k={key_uri}")).toContain("https%3A%2F%2Fapi.example.com"));
});
