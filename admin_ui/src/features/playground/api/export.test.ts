import { expect, it } from "vitest";
import { addTurn, newAnswer, newConversation, newTurn, putAnswer } from "./conversation";
import { markdownOf } from "./export";

it("writes questions as headings and answers below their models", () => {
  const turn = newTurn("Why?", [{ kind: "image", name: "a.png", data: "" }]);
  const conversation = putAnswer(addTurn(newConversation(), turn), turn.id, "m", { ...newAnswer(), text: "Because." });
  expect(markdownOf(conversation)).toBe("## [a.png]\n> Why?\n\n### m\n\nBecause.\n");
});
