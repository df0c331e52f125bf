// The code says what the playground would send, in the language's own words.
import { describe, expect, it } from "vitest";
import { curlOf, javascriptOf, pythonLiteral, pythonOf } from "./snippets";

const request = { model: "m", messages: [{ role: "user" as const, content: "it's" }], stream: true, stream_options: { include_usage: true }, temperature: 0.5, response_format: { type: "json_object" } };

describe("snippets", () => {
  it("curl survives the shell's quotes", () => {
    const text = curlOf("https://a", request);
    expect(text).toContain("https://a/v1/chat/completions");
    expect(text).toContain("it'\\''s");
    expect(text).not.toContain("stream_options");
  });
  it("Python names members and streams", () => {
    const text = pythonOf("https://a", request);
    expect(text).toContain('base_url="https://a/v1"');
    expect(text).toContain("    temperature=0.5,\n");
    expect(text).toContain("    stream=True,\n");
    expect(text).toContain("for chunk in stream:");
    expect(pythonOf("https://a", { ...request, stream: false })).toMatch(/print\(answer\.choices/);
  });
  it("JavaScript is read as an object by JavaScript", () => {
    const text = javascriptOf("https://a", request);
    const literal = /create\((\{[^]*?\n\})\);/.exec(text)?.[1] ?? "";
    expect(new Function(`return ${literal}`)()).toEqual({ model: "m", messages: request.messages, temperature: 0.5, response_format: { type: "json_object" }, stream: true });
  });
  it.each([
    [null, "None"],
    [true, "True"],
    [[], "[]"],
    [{ a: [1, false] }, '{\n    "a": [\n        1,\n        False,\n    ],\n}'],
  ])("writes %j as Python", (value, expected) => expect(pythonLiteral(value)).toBe(expected));
});
