// Events are cut right whatever the network did to them, and errors in a stream are errors.
import { describe, expect, it } from "vitest";
import { curlOf, readEvent, requestBody, splitEvents } from "./chat";

const PARAMETERS = { group: "", system: "Be brief", temperature: "" as const, top_p: "" as const, max_tokens: 5 };

describe("splitEvents", () => {
  it("gives the same events for any split of the bytes", () => {
    const wire = ': ping\n\ndata: {"a":1}\r\n\r\ndata: {"b":2}\n\ndata: [DONE]\n\n';
    for (let at = 0; at < wire.length; at++) {
      const first = splitEvents(wire.slice(0, at));
      const second = splitEvents(first.rest + wire.slice(at));
      expect([...first.events, ...second.events]).toEqual(['{"a":1}', '{"b":2}', "[DONE]"]);
    }
  });
});

describe("readEvent", () => {
  it("reads text, thoughts and usage", () => {
    expect(readEvent('{"choices":[{"delta":{"content":"hi","reasoning_content":"hm"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}')).toEqual({ text: "hi", thinking: "hm", usage: { prompt_tokens: 1, completion_tokens: 2 } });
    expect(readEvent("[DONE]")).toBeNull();
  });
  it("throws what the stream reports", () => {
    expect(() => readEvent('{"error":{"message":"no balance","code":"insufficient_user_quota"}}')).toThrow("no balance");
  });
});

it("sends only what was chosen", () => {
  expect(requestBody("m", [{ role: "user", content: "x" }], PARAMETERS)).toEqual({ model: "m", stream: true, stream_options: { include_usage: true }, max_tokens: 5, messages: [{ role: "system", content: "Be brief" }, { role: "user", content: "x" }] });
  expect(curlOf("https://a", "m", [{ role: "user", content: "it's" }], PARAMETERS)).toContain("it'\\''s");
});
