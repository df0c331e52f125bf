import { describe, expect, it } from "vitest";
import { checkForm, EMPTY_FORM, writeForm } from "./channel-form";

const good = { ...EMPTY_FORM, name: "main", key: "sk-1", models: ["gpt-4o"] };

describe("channel form", () => {
  it.each([
    ["a complete form", {}, true, {}],
    ["no name", { name: " " }, true, { name: "required" }],
    ["no key when created", { key: "" }, true, { key: "required" }],
    ["no key when edited keeps the old one", { key: "" }, false, {}],
    ["no models", { models: [] }, true, { models: "models" }],
    ["an address without scheme", { base_url: "example.com" }, true, { base_url: "url" }],
    ["Azure needs its address", { type: 3 }, true, { base_url: "required" }],
    ["Vertex needs a region", { type: 41 }, true, { other: "required" }],
    ["a Vertex region map needs a default", { type: 41, other: '{"a":"b"}' }, true, { other: "region_default" }],
    ["mapping that is not JSON", { model_mapping: "{" }, true, { model_mapping: "json" }],
    ["mapping that is a list", { setting: "[]" }, true, { setting: "json" }],
  ])("%s", (_, change, creating, expected) => expect(checkForm({ ...good, ...change }, creating)).toEqual(expected));

  it("leaves the key out when an edit does not replace it", () => expect(writeForm({ ...good, key: "" }, 7)).not.toHaveProperty("key"));
  it("carries the system prompt and the note", () => expect(writeForm({ ...good, system_prompt: " Be brief. ", remark: "paid by Ada" }, 7)).toMatchObject({ system_prompt: "Be brief.", remark: "paid by Ada" }));
  it("removes one slash at the end of the address", () => expect(writeForm({ ...good, base_url: "https://a.b/" }, undefined).base_url).toBe("https://a.b"));
});
