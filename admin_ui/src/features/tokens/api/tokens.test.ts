import { expect, it } from "vitest";
import { badAddresses, sampleModel, searchFor, shortKey, withoutSecret } from "./tokens";

it("finds what is no address and no range", () =>
  expect(badAddresses("10.0.0.1\n10.0.0.0/8\n\n::1\n2001:db8::/32\n300.1.1.1\n10.0.0.0/33\nexample.com")).toEqual(["300.1.1.1", "10.0.0.0/33", "example.com"]));

it.each([
  ["laptop", { keyword: "laptop", token: "" }],
  ["sk-short", { keyword: "sk-short", token: "" }],
  ["sk-abcd1234", { keyword: "", token: "sk-abcd1234" }],
])("searches %s by the right field", (wanted, question) => expect(searchFor(wanted)).toEqual(question));

it("keeps of a whole key only its end", () => {
  expect(withoutSecret(`sk-${"k".repeat(40)}abcd1234`)).toBe("sk-abcd1234");
  expect(withoutSecret(`${"k".repeat(40)}abcd1234`)).toBe("sk-abcd1234");
  expect(withoutSecret("sk-abcd1234")).toBe("sk-abcd1234");
  expect(withoutSecret("ci pipeline")).toBe("ci pipeline");
});

it("shortens masked and whole keys alike", () => {
  expect(shortKey("abcd**********wxyz")).toBe("sk-abcd…wxyz");
  expect(shortKey(`abcd${"k".repeat(40)}wxyz`)).toBe("sk-abcd…wxyz");
});

it.each([
  ["its own list", { model_limits_enabled: true, model_limits: "claude-3-5-haiku, gpt-4o" }, ["gpt-4o"], "claude-3-5-haiku"],
  ["all of the account", { model_limits_enabled: false, model_limits: "ignored" }, ["text-embedding-3-small", "deepseek-chat"], "deepseek-chat"],
  ["no chat model", { model_limits_enabled: true, model_limits: "whisper-1" }, [], "whisper-1"],
  ["nothing known", { model_limits_enabled: false, model_limits: "" }, [], "gpt-4o-mini"],
])("shows a model that the token may use: %s", (_, token, own, model) => expect(sampleModel(token, own)).toBe(model));
