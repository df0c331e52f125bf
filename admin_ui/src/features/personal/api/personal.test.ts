// Devices are named as people know them, settings survive odd texts.
import { describe, expect, it } from "vitest";
import { deviceOf, readSetting } from "./personal";

describe("deviceOf", () => {
  it.each([
    ["Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox, Linux"],
    ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge, Windows"],
    ["curl/8.5.0", "curl"],
    ["", "–"],
  ])("%s", (agent, name) => expect(deviceOf(agent)).toBe(name));
});

it("reads what is stored and nothing else", () => {
  expect(readSetting("not json").notify_type).toBe("email");
  expect(readSetting('{"notify_type":"webhook","webhook_url":"https://a.b","quota_warning_threshold":5}')).toMatchObject({ notify_type: "webhook", webhook_url: "https://a.b", quota_warning_threshold: 5 });
});
