// What one model is told: its own part of the conversation, files as parts, chosen parameters only.
import { describe, expect, it } from "vitest";
import { type Attachment, newAnswer, newTurn, type Turn } from "./conversation";
import { DEFAULTS, requestMembers, schemaIsRight } from "./parameters";
import { messagesOf, requestBody, shorten } from "./request";

const answered = (text: string, answers: Record<string, string>): Turn => ({ ...newTurn(text, []), answers: Object.fromEntries(Object.entries(answers).map(([model, said]) => [model, { ...newAnswer(), text: said }])) });
const picture: Attachment = { kind: "image", name: "a.png", data: "data:image/png;base64,AAAA" };

describe("messagesOf", () => {
  it("gives a model its own answers, and leaves out what it did not answer", () => {
    const turns = [answered("one", { a: "A1", b: "B1" }), answered("two", { b: "B2" }), newTurn("three", [])];
    expect(messagesOf(turns, "a", "").map(({ content }) => content)).toEqual(["one", "A1", "three"]);
    expect(messagesOf(turns, "b", "Be brief").map(({ role }) => role)).toEqual(["system", "user", "assistant", "user", "assistant", "user"]);
  });
  it("sends files before the text", () => {
    const files: Attachment[] = [picture, { kind: "document", name: "b.pdf", data: "data:application/pdf;base64,BBBB" }, { kind: "text", name: "c.md", data: "# C" }];
    expect(messagesOf([newTurn("What is this?", files)], "a", "")).toEqual([
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url: picture.data } },
          { type: "file", file: { filename: "b.pdf", file_data: "data:application/pdf;base64,BBBB" } },
          { type: "text", text: "c.md:\n\n# C" },
          { type: "text", text: "What is this?" },
        ],
      },
    ]);
  });
  it("leaves out a file that was not kept", () => expect(messagesOf([newTurn("x", [{ ...picture, data: "" }])], "a", "")).toEqual([{ role: "user", content: "x" }]));
});

describe("requestBody", () => {
  it("sends no parameter that was not set", () => expect(requestBody([newTurn("x", [])], "m", DEFAULTS)).toEqual({ model: "m", messages: [{ role: "user", content: "x" }], stream: true, stream_options: { include_usage: true } }));
  it("sends every parameter that was", () => {
    const parameters = { ...DEFAULTS, stream: false, temperature: 0, top_p: 0.5, max_tokens: 9, presence_penalty: -1, frequency_penalty: 1, seed: 0, stop: ["END"], effort: "low" as const, format: "json_object" as const };
    expect(requestBody([newTurn("x", [])], "m", parameters)).toEqual({
      model: "m", messages: [{ role: "user", content: "x" }], stream: false, temperature: 0, top_p: 0.5, max_tokens: 9, presence_penalty: -1, frequency_penalty: 1, seed: 0, stop: ["END"], reasoning_effort: "low", response_format: { type: "json_object" },
    });
  });
  it("sends a schema as the API wants it", () => {
    expect(requestMembers({ ...DEFAULTS, format: "json_schema", schema: '{"type":"object"}' })).toEqual({ response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema: { type: "object" } } } });
    expect(schemaIsRight({ ...DEFAULTS, format: "json_schema", schema: "{" })).toBe(false);
    expect(schemaIsRight({ ...DEFAULTS, format: "text", schema: "{" })).toBe(true);
  });
});

it("shortens pictures for the reader", () => {
  const long = `data:image/png;base64,${"A".repeat(1000)}`;
  expect(JSON.stringify(shorten({ a: long, b: "data: short" }))).toMatch(/^\{"a":"data:image\/png;base64,A+… \(1022\)","b":"data: short"\}$/);
});
