// Edits of a conversation: asked anew drops what came after; what was left running has stopped.
import { describe, expect, it } from "vitest";
import { addTurn, modelsOf, newAnswer, newConversation, newTurn, putAnswer, removeAnswer, removeTurn, replaceTurn, setCharge, settled, titleOf } from "./conversation";

const [first, second, third] = [newTurn("one", []), newTurn("two", []), newTurn("three", [])];
const three = [first, second, third].reduce(addTurn, newConversation());
const texts = (conversation: typeof three) => conversation.turns.map((turn) => turn.text);

describe("a conversation", () => {
  it("asked anew in the middle drops what came after", () => expect(texts(replaceTurn(three, second.id, newTurn("2", [])))).toEqual(["one", "2"]));
  it("is not touched by an edit of a turn that is gone", () => expect(texts(replaceTurn(three, "gone", newTurn("2", [])))).toEqual(["one", "two", "three"]));
  it("loses a turn", () => expect(texts(removeTurn(three, first.id))).toEqual(["two", "three"]));
  it("loses one answer and keeps the other", () => {
    const answered = putAnswer(putAnswer(three, first.id, "a", newAnswer()), first.id, "b", newAnswer());
    expect(Object.keys(removeAnswer(answered, first.id, "a").turns[0]!.answers)).toEqual(["b"]);
  });
  it("takes a charge only for the call that is shown", () => {
    const answered = putAnswer(three, first.id, "a", { ...newAnswer(), requestId: "r2" });
    expect(setCharge(answered, first.id, "a", "r1", 5).turns[0]!.answers["a"]!.charge).toBeNull();
    expect(setCharge(answered, first.id, "a", "r2", 5).turns[0]!.answers["a"]!.charge).toBe(5);
    expect(setCharge(three, first.id, "a", "r2", 5).turns[0]!.answers).toEqual({});
  });
  it("that was left has stopped", () => expect(settled(putAnswer(three, first.id, "a", newAnswer())).turns[0]!.answers["a"]!.state).toBe("stopped"));
  it("is called by its first question", () => expect([titleOf(three), titleOf(newConversation())]).toEqual(["one", ""]));
});

it("a turn shows the chosen models first, then those that answered it once", () => {
  const turn = { ...first, answers: { old: newAnswer(), b: newAnswer(), a: newAnswer() } };
  expect(modelsOf(turn, ["a", "b", "new"])).toEqual(["a", "b", "old"]);
});
