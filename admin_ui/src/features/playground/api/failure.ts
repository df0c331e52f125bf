// Why an answer did not come, and which of our remedies fits.
import { ApiError } from "@/shared/api/client";

export interface Failure {
  message: string;
  code: string;
  status: number; // HTTP; 0 = the server was not reached
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) return { message: error.message, code: error.code, status: error.status };
  return { message: error instanceof Error ? error.message : String(error), code: "", status: 0 };
}

export type Remedy = "balance" | "channel" | "price" | "group" | "wait" | "shorten" | "parameters" | "words" | "signIn" | "upstream" | "network" | "operator";

const BY_CODE: Record<string, Remedy> = {
  insufficient_user_quota: "balance",
  no_channel: "channel",
  model_price_error: "price",
  group_not_allowed: "group",
  group_unknown: "group",
  rate_limit_exceeded: "wait",
  temporarily_unavailable: "wait",
  context_length_exceeded: "shorten",
  request_too_large: "shorten",
  sensitive_words_detected: "words",
  not_signed_in: "signIn",
  network: "network",
};

/** What helps against a failure: by its code, else by its status. */
export function remedyOf({ code, status }: Failure): Remedy {
  const known = BY_CODE[code];
  if (known) return known;
  if (status === 0) return "network";
  if (status === 401) return "operator"; // the session was accepted: it is the channel's key that was not
  if (status === 413) return "shorten";
  if (status === 429) return "wait";
  if (status >= 400 && status < 500) return "parameters";
  return "upstream";
}
