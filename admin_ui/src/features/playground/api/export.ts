// A conversation as a file for people to read.
import type { Conversation } from "./conversation";

export function markdownOf({ turns }: Conversation): string {
  return turns
    .map(({ text, attachments, answers }) => {
      const question = [...attachments.map(({ name }) => `[${name}]`), text].filter(Boolean).join("\n");
      const said = Object.entries(answers).map(([model, answer]) => `### ${model}\n\n${answer.text || answer.failure?.message || ""}`);
      return [`## ${question.split("\n").join("\n> ")}`, ...said].join("\n\n");
    })
    .join("\n\n---\n\n")
    .concat("\n");
}
