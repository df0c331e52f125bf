import { expect, it } from "vitest";
import { ApiError } from "@/shared/api/client";
import { failureOf, remedyOf } from "./failure";

it.each([
  ["insufficient_user_quota", 403, "balance"],
  ["no_channel", 503, "channel"],
  ["anything", 429, "wait"],
  ["invalid_api_key", 401, "operator"],
  ["bad_parameter", 400, "parameters"],
  ["", 502, "upstream"],
  ["", 0, "network"],
])("code %j with status %i is mended by: %s", (code, status, expected) => expect(remedyOf({ message: "", code, status })).toBe(expected));
it("keeps what the server said", () => expect(failureOf(new ApiError("no", 403, "x", {}, "r"))).toEqual({ message: "no", code: "x", status: 403 }));
