// One call as the signed-in user: what comes back, piece by piece, and as it was on the wire.
import { ApiError, requestHeaders } from "@/shared/api/client";
import type { Usage } from "./conversation";
import type { RequestBody } from "./request";

export const PATH = "/pg/chat/completions";

export interface Piece {
  text?: string;
  thinking?: string;
  usage?: Usage;
  finish?: string;
}

/** What went over the wire; filled while the answer arrives. */
export interface Exchange {
  request: RequestBody;
  status: number; // HTTP; 0 = nothing came back yet
  requestId: string;
  contentType: string;
  received: string[]; // lines of a stream, or the whole body
}
export const newExchange = (request: RequestBody): Exchange => ({ request, status: 0, requestId: "", contentType: "", received: [] });

interface Spoken {
  content?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null; // OpenRouter's name for it
}
interface Chunk {
  error?: { message?: string; code?: string | null } | string;
  choices?: { delta?: Spoken; message?: Spoken; finish_reason?: string | null }[];
  usage?: {
    prompt_tokens?: number;
    completion_tokens?: number;
    prompt_tokens_details?: { cached_tokens?: number } | null;
    completion_tokens_details?: { reasoning_tokens?: number } | null;
  } | null;
}

/** Whole events of a buffer, and what is left of it. */
export function splitEvents(buffer: string): { events: string[]; rest: string } {
  const parts = buffer.replace(/\r\n/g, "\n").split("\n\n");
  const rest = parts.pop() ?? "";
  return { events: parts.filter((part) => part.trim()), rest };
}

/** The payload of an event; "" for comments. */
export const dataOf = (event: string): string => event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");

function usageOf(usage: NonNullable<Chunk["usage"]>): Usage {
  return {
    prompt_tokens: usage.prompt_tokens ?? 0,
    completion_tokens: usage.completion_tokens ?? 0,
    cached_tokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    reasoning_tokens: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}

function errorOf(error: NonNullable<Chunk["error"]>, status: number, requestId: string): ApiError {
  return typeof error === "string" ? new ApiError(error, status, "", {}, requestId) : new ApiError(error.message ?? "", status, error.code ?? "", {}, requestId);
}

/** What a chunk of a stream, or a whole answer, says. Throws ApiError for an error. */
export function readChunk(data: string): Piece {
  const chunk = JSON.parse(data) as Chunk;
  if (chunk.error) throw errorOf(chunk.error, 200, "");
  const choice = chunk.choices?.[0];
  const spoken = choice?.delta ?? choice?.message;
  const thinking = spoken?.reasoning_content ?? spoken?.reasoning;
  return {
    ...(spoken?.content ? { text: spoken.content } : {}),
    ...(thinking ? { thinking } : {}),
    ...(choice?.finish_reason ? { finish: choice.finish_reason } : {}),
    ...(chunk.usage ? { usage: usageOf(chunk.usage) } : {}),
  };
}

async function open(exchange: Exchange, group: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(PATH, { method: "POST", credentials: "same-origin", headers: requestHeaders(true), body: JSON.stringify(group ? { ...exchange.request, group } : exchange.request), signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError("network", 0, "network", {}, "");
  }
  exchange.status = response.status;
  exchange.requestId = response.headers.get("X-Oneapi-Request-Id") ?? "";
  exchange.contentType = response.headers.get("Content-Type") ?? "";
  if (response.ok) return response;
  const text = await response.text();
  exchange.received.push(text);
  let body: Chunk = {};
  try {
    body = JSON.parse(text) as Chunk;
  } catch {
    // a proxy's page: its text is all there is
  }
  throw errorOf(body.error ?? (text.slice(0, 300) || response.statusText), response.status, exchange.requestId);
}

/** Calls, and fills `exchange` on the way. Throws ApiError for what was refused, and whatever `signal` causes. */
export async function* converse(exchange: Exchange, group: string, signal: AbortSignal): AsyncGenerator<Piece> {
  const response = await open(exchange, group, signal);
  if (!exchange.contentType.includes("event-stream") || !response.body) {
    const text = await response.text();
    exchange.received.push(text);
    yield readChunk(text);
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { events, rest } = splitEvents(buffer + value);
    buffer = rest;
    for (const event of events) {
      exchange.received.push(event);
      const data = dataOf(event);
      if (data && data !== "[DONE]") yield readChunk(data);
    }
  }
}
