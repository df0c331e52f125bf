// The body of a call: what one model has seen of the conversation, the question, the chosen parameters.
import type { Attachment, Turn } from "./conversation";
import { type Parameters, requestMembers } from "./parameters";

type Part = { type: "text"; text: string } | { type: "image_url"; image_url: { url: string } } | { type: "file"; file: { filename: string; file_data: string } };
export interface Message {
  role: "system" | "user" | "assistant";
  content: string | Part[];
}
export interface RequestBody extends Record<string, unknown> {
  model: string;
  messages: Message[];
  stream: boolean;
}

function partOf(attachment: Attachment): Part[] {
  if (!attachment.data) return []; // not kept from an earlier visit
  if (attachment.kind === "image") return [{ type: "image_url", image_url: { url: attachment.data } }];
  if (attachment.kind === "document") return [{ type: "file", file: { filename: attachment.name, file_data: attachment.data } }];
  return [{ type: "text", text: `${attachment.name}:\n\n${attachment.data}` }];
}

function questionOf(turn: Turn): Message {
  const parts = turn.attachments.flatMap(partOf);
  if (parts.length === 0) return { role: "user", content: turn.text };
  return { role: "user", content: [...parts, ...(turn.text ? [{ type: "text" as const, text: turn.text }] : [])] };
}

/** @param turns the question last; of the earlier ones those that this model has answered. */
export function messagesOf(turns: readonly Turn[], model: string, system: string): Message[] {
  const before = turns.slice(0, -1).flatMap((turn): Message[] => {
    const text = turn.answers[model]?.text;
    return text ? [questionOf(turn), { role: "assistant", content: text }] : [];
  });
  const last = turns.at(-1);
  return [...(system.trim() ? [{ role: "system" as const, content: system }] : []), ...before, ...(last ? [questionOf(last)] : [])];
}

export function requestBody(turns: readonly Turn[], model: string, parameters: Parameters): RequestBody {
  return {
    model,
    messages: messagesOf(turns, model, parameters.system),
    stream: parameters.stream,
    ...(parameters.stream ? { stream_options: { include_usage: true } } : {}),
    ...requestMembers(parameters),
  };
}

const SHOWN_DATA = 60; // characters of a data: URL that a reader sees
/** For reading: pictures and files cut short. */
export function shorten(body: unknown): unknown {
  const text = JSON.stringify(body, (_, value: unknown) => (typeof value === "string" && value.startsWith("data:") && value.length > SHOWN_DATA ? `${value.slice(0, SHOWN_DATA)}… (${value.length})` : value));
  return JSON.parse(text) as unknown;
}
