// A full browser loses the oldest conversations, never the one on the screen.
import { describe, expect, it } from "vitest";
import { addTurn, type Conversation, newAnswer, newConversation, newTurn, putAnswer } from "./conversation";
import { readConversations, writeConversations } from "./storage";

/** A storage with room for so many characters. */
function storageOf(room: number): Storage {
  const held = new Map<string, string>();
  const setItem = (key: string, value: string) => {
    if (value.length > room) throw new DOMException("full", "QuotaExceededError");
    held.set(key, value);
  };
  return { getItem: (key: string) => held.get(key) ?? null, setItem } as unknown as Storage;
}
const saying = (text: string, changed: number, data = ""): Conversation => ({ ...addTurn(newConversation(), newTurn(text, data ? [{ kind: "image", name: "a", data }] : [])), changed });
const titles = (kept: Conversation[]) => kept.map((one) => one.turns[0]!.text);

describe("conversations", () => {
  it("come back newest first, without empty ones, apart for each account", () => {
    const storage = storageOf(10_000);
    writeConversations(1, [saying("old", 1), newConversation(), saying("new", 2)], storage);
    expect(titles(readConversations(1, storage))).toEqual(["new", "old"]);
    expect(readConversations(2, storage)).toEqual([]);
  });
  it("lose the oldest when there is no room", () => expect(titles(writeConversations(1, [saying("a", 3), saying("b".repeat(300), 2), saying("c".repeat(300), 1)], storageOf(700)))).toEqual(["a", "b".repeat(300)]));
  it("lose the files of the last one when even that has no room", () => {
    const kept = writeConversations(1, [saying("a", 3, "x".repeat(2000)), saying("b", 2)], storageOf(700));
    expect(titles(kept)).toEqual(["a"]);
    expect(kept[0]!.turns[0]!.attachments).toEqual([{ kind: "image", name: "a", data: "" }]);
  });
  it("have stopped what ran when the page was left", () => {
    const storage = storageOf(10_000);
    const running = saying("a", 1);
    writeConversations(1, [putAnswer(running, running.turns[0]!.id, "m", newAnswer())], storage);
    expect(readConversations(1, storage)[0]!.turns[0]!.answers["m"]!.state).toBe("stopped");
  });
  it("that cannot be read are none", () => {
    const storage = storageOf(100);
    storage.setItem("medusa.playground.conversations.1", "{broken");
    expect(readConversations(1, storage)).toEqual([]);
  });
});
