// Events are cut right whatever the network did to them, and errors in a stream are errors.
import { afterEach, describe, expect, it, vi } from "vitest";
import { converse, dataOf, newExchange, type Piece, readChunk, splitEvents } from "./stream";

const request = { model: "m", messages: [], stream: true };
const answering = (body: string, type: string, status = 200) => vi.stubGlobal("fetch", vi.fn(async () => new Response(body, { status, headers: { "Content-Type": type, "X-Oneapi-Request-Id": "r1" } })));
async function piecesOf(exchange = newExchange(request), group = ""): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of converse(exchange, group, new AbortController().signal)) pieces.push(piece);
  return pieces;
}
afterEach(() => vi.unstubAllGlobals());

describe("splitEvents", () => {
  it("gives the same events for any split of the bytes", () => {
    const wire = ': ping\n\ndata: {"a":1}\r\n\r\nevent: x\ndata: {"b":2}\n\ndata: [DONE]\n\n';
    for (let at = 0; at < wire.length; at++) {
      const first = splitEvents(wire.slice(0, at));
      const second = splitEvents(first.rest + wire.slice(at));
      expect([...first.events, ...second.events].map(dataOf)).toEqual(["", '{"a":1}', '{"b":2}', "[DONE]"]);
    }
  });
});

describe("readChunk", () => {
  it("reads text, thoughts, the reason to stop and usage", () => {
    const usage = { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 }, completion_tokens_details: { reasoning_tokens: 1 } };
    expect(readChunk(JSON.stringify({ choices: [{ delta: { content: "hi", reasoning_content: "hm" }, finish_reason: "stop" }], usage }))).toEqual({
      text: "hi", thinking: "hm", finish: "stop", usage: { prompt_tokens: 9, completion_tokens: 2, cached_tokens: 4, reasoning_tokens: 1 },
    });
  });
  it("reads an answer that was not streamed", () => expect(readChunk('{"choices":[{"message":{"content":"hi"}}]}')).toEqual({ text: "hi" }));
  it("throws what the stream reports", () => expect(() => readChunk('{"error":{"message":"no balance","code":"insufficient_user_quota"}}')).toThrow("no balance"));
});

describe("converse", () => {
  it("keeps what went over the wire", async () => {
    answering('data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n', "text/event-stream");
    const exchange = newExchange(request);
    expect(await piecesOf(exchange)).toEqual([{ text: "a" }]);
    expect(exchange).toMatchObject({ status: 200, requestId: "r1", received: ['data: {"choices":[{"delta":{"content":"a"}}]}', "data: [DONE]"] });
  });
  it("reads a plain reply", async () => {
    answering('{"choices":[{"message":{"content":"a"}}]}', "application/json");
    expect(await piecesOf()).toEqual([{ text: "a" }]);
  });
  it("names the group beside the request, not in it", async () => {
    answering("{}", "application/json");
    const exchange = newExchange(request);
    await piecesOf(exchange, "vip");
    expect(JSON.parse(vi.mocked(fetch).mock.calls[0]![1]!.body as string)).toEqual({ ...request, group: "vip" });
    expect(exchange.request).toEqual(request);
  });
  it("throws a refusal with its code", async () => {
    answering('{"error":{"message":"too fast","code":"rate_limit_exceeded"}}', "application/json", 429);
    await expect(piecesOf()).rejects.toMatchObject({ message: "too fast", code: "rate_limit_exceeded", status: 429 });
  });
  it("throws a proxy's page as its text", async () => {
    answering("<h1>Bad gateway</h1>", "text/html", 502);
    await expect(piecesOf()).rejects.toMatchObject({ message: "<h1>Bad gateway</h1>", status: 502 });
  });
  it("says when nothing was reached", async () => {
    vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("Failed to fetch"))));
    await expect(piecesOf()).rejects.toMatchObject({ code: "network", status: 0 });
  });
});
