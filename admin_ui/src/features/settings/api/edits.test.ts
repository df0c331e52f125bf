// Edits over what is stored: what is saved, what is a conflict, what a file brings.
import { describe, expect, it } from "vitest";
import { exportOptions, importOptions, isChanged, isConflict, keepMine, shownOf, withEdit, writesOf } from "./edits";
import { specOf, storedOf } from "./option-samples.test-data";

const retries = specOf({ key: "RetryTimes", kind: "int", default: "0" });
const token = specOf({ key: "SMTPToken", secret: true });
const before = storedOf({ key: "RetryTimes", value: "3", version: "v1" }, { key: "SMTPToken", value: "", version: "s1" });
const after = storedOf({ key: "RetryTimes", value: "4", version: "v2" }, { key: "SMTPToken", value: "", version: "s1" });

describe("an edit", () => {
  it("is saved with the version that was shown when it began", () => {
    const edits = withEdit(withEdit({}, before, "RetryTimes", "5"), after, "RetryTimes", "6");
    expect(writesOf([retries], edits)).toEqual([{ key: "RetryTimes", value: "6", version: "v1" }]);
  });
  it("is none when it says what is stored", () => expect(isChanged(retries, before, withEdit({}, before, "RetryTimes", "3"))).toBe(false));
  it("to the default shows the default and drops what is stored", () => {
    const edits = withEdit({}, before, "RetryTimes", null);
    expect([shownOf(retries, before, edits), isChanged(retries, before, edits)]).toEqual(["0", true]);
    expect(isChanged(retries, storedOf(), edits)).toBe(false);
  });
  it("of a secret: a new one, or none, or left alone", () => {
    expect(isChanged(token, before, withEdit({}, before, "SMTPToken", "new"))).toBe(true);
    expect(isChanged(token, before, withEdit({}, before, "SMTPToken", null))).toBe(true);
    expect(isChanged(token, before, withEdit({}, before, "SMTPToken", ""))).toBe(false);
  });
});

describe("somebody else saved meanwhile", () => {
  const edits = withEdit({}, before, "RetryTimes", "5");
  it("is a conflict", () => expect([isConflict(retries, before, edits), isConflict(retries, after, edits)]).toEqual([false, true]));
  it("is none when both say the same", () => expect(isConflict(retries, after, withEdit({}, before, "RetryTimes", "4"))).toBe(false));
  it("is settled by keeping mine", () => expect(writesOf([retries], keepMine(edits, after, "RetryTimes"))).toEqual([{ key: "RetryTimes", value: "5", version: "v2" }]));
});

describe("settings as a file", () => {
  it("holds what differs from the defaults, and no secret", () => expect(JSON.parse(exportOptions([retries, token], before))).toEqual({ RetryTimes: "3" }));
  it("brings what differs from here, and nothing unknown", () => expect(importOptions('{"RetryTimes":"9","SMTPToken":"x","Other":"y","Number":1}', [retries, token], before)).toEqual({ RetryTimes: "9" }));
  it.each(["[]", "text", "1"])("%s is none", (text) => expect(importOptions(text, [retries], before)).toBeNull());
});
