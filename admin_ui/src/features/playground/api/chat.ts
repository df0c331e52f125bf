// A streamed chat as the signed-in user: events in, pieces of text out; and the same call as code.
import { ApiError, requestHeaders } from "@/shared/api/client";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}
export interface Parameters {
  group: string;
  system: string;
  temperature: number | ""; // "" = the model's own
  top_p: number | "";
  max_tokens: number | "";
}
export interface Piece {
  text?: string;
  thinking?: string;
  usage?: { prompt_tokens: number; completion_tokens: number };
}

export function requestBody(model: string, messages: Message[], parameters: Parameters) {
  const system: Message[] = parameters.system.trim() ? [{ role: "system", content: parameters.system }] : [];
  return {
    model,
    messages: [...system, ...messages],
    stream: true,
    stream_options: { include_usage: true },
    ...(parameters.temperature === "" ? {} : { temperature: parameters.temperature }),
    ...(parameters.top_p === "" ? {} : { top_p: parameters.top_p }),
    ...(parameters.max_tokens === "" ? {} : { max_tokens: parameters.max_tokens }),
  };
}

/** Whole events of a buffer, and what is left of it. */
export function splitEvents(buffer: string): { events: string[]; rest: string } {
  const parts = buffer.replace(/\r\n/g, "\n").split("\n\n");
  const rest = parts.pop() ?? "";
  const events = parts.map((part) => part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n")).filter(Boolean);
  return { events, rest };
}

/** What one event says. Throws ApiError for an error event. */
export function readEvent(data: string): Piece | null {
  if (data === "[DONE]") return null;
  const chunk = JSON.parse(data) as {
    error?: { message?: string; code?: string };
    choices?: { delta?: { content?: string | null; reasoning_content?: string | null } }[];
    usage?: { prompt_tokens: number; completion_tokens: number } | null;
  };
  if (chunk.error) throw new ApiError(chunk.error.message ?? "", 200, chunk.error.code ?? "", {}, "");
  const delta = chunk.choices?.[0]?.delta;
  return { ...(delta?.content ? { text: delta.content } : {}), ...(delta?.reasoning_content ? { thinking: delta.reasoning_content } : {}), ...(chunk.usage ? { usage: chunk.usage } : {}) };
}

export async function* streamChat(model: string, messages: Message[], parameters: Parameters, signal: AbortSignal): AsyncGenerator<Piece> {
  const response = await fetch("/pg/chat/completions", {
    method: "POST",
    credentials: "same-origin",
    headers: requestHeaders(true),
    body: JSON.stringify({ ...requestBody(model, messages, parameters), group: parameters.group }),
    signal,
  });
  if (!response.ok || !response.body) {
    const body = (await response.json().catch(() => ({}))) as { error?: { message?: string; code?: string } };
    throw new ApiError(body.error?.message ?? response.statusText, response.status, body.error?.code ?? "", {}, response.headers.get("X-Oneapi-Request-Id") ?? "");
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { events, rest } = splitEvents(buffer + value);
    buffer = rest;
    for (const event of events) {
      const piece = readEvent(event);
      if (piece) yield piece;
    }
  }
}

/** The same call for a shell. */
export function curlOf(address: string, model: string, messages: Message[], parameters: Parameters): string {
  const { stream_options: _, ...body } = requestBody(model, messages, parameters);
  const json = JSON.stringify(body, null, 2).replace(/'/g, "'\\''");
  return `curl ${address}/v1/chat/completions \\\n  -H "Authorization: Bearer $API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${json}'`;
}
