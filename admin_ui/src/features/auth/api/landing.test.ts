import { describe, expect, it } from "vitest";
import { landing } from "./auth";

describe("landing after sign-in", () => {
  it.each([
    ["/console/logs?type=2", 1, "/console/logs?type=2"],
    ["//evil.example", 1, "/console"],
    ["/\\evil.example", 1, "/console"],
    ["https://evil.example", 100, "/console/health"],
    [undefined, 10, "/console/health"],
    ["/login", 1, "/console"],
  ])("%s as role %i goes to %s", (wanted, role, expected) => expect(landing(wanted, role)).toBe(expected));
});
