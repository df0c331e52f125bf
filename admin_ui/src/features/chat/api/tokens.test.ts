import { describe, expect, it } from "vitest";
import type { Token } from "@/shared/api/types";
import { chooseToken } from "./tokens";

const NOW = 1000;
const token = (id: number, more: Partial<Token> = {}) => ({ id, name: `t${id}`, status: 1, expired_time: -1, unlimited_quota: true, remain_quota: 0, ...more }) as Token;

describe("the token of a chat", () => {
  it.each([
    ["the first usable one", [token(1, { status: 2 }), token(2)], "", 2],
    ["the one named chat before others", [token(1), token(2, { name: "chat" })], "", 2],
    ["the wanted one by id", [token(1), token(2)], "2", 2],
    ["the wanted one by name", [token(1), token(2, { name: "laptop" })], "laptop", 2],
    ["not an expired one", [token(1, { expired_time: 999 }), token(2, { expired_time: 1001 })], "", 2],
    ["not an empty one", [token(1, { unlimited_quota: false, remain_quota: 0 }), token(2, { unlimited_quota: false, remain_quota: 1 })], "", 2],
  ])("%s", (_, tokens, wanted, expected) => expect(chooseToken(tokens, wanted, NOW)?.id).toBe(expected));
  it.each([
    ["a wanted one that cannot be used", [token(1), token(2, { status: 2 })], "2"],
    ["nothing there", [], ""],
  ])("none: %s", (_, tokens, wanted) => expect(chooseToken(tokens, wanted, NOW)).toBeNull());
});
