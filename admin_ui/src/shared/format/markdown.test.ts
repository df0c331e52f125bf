// What strangers write never becomes script, and what a model writes about HTML stays text.
import { describe, expect, it } from "vitest";
import { cleanHtml, readBlocks, renderMarkdown } from "./markdown";

describe("cleanHtml", () => {
  it.each([
    ["a handler", '<img src="x" onerror="alert(1)">'],
    ["a script", "<p>a</p><script>alert(1)</script>"],
    ["a script address", '<a href="javascript:alert(1)">x</a>'],
    ["a form", '<form action="https://evil.example"><input name="password"></form>'],
    ["a frame", '<iframe src="https://evil.example"></iframe>'],
    ["a style", '<p style="position:fixed">x</p><style>body{display:none}</style>'],
  ])("drops %s", (_, html) => expect(cleanHtml(html)).not.toMatch(/alert|evil|position|<style|<form|<input/));
  it("opens foreign links in a tab of their own", () => expect(cleanHtml('<a href="https://a.example">x</a>')).toContain('rel="noreferrer noopener"'));
  it("keeps what an operator lays out with", () => expect(cleanHtml('<h1 class="a">T</h1><table><tbody><tr><td>1</td></tr></tbody></table>')).toContain('<h1 class="a">T</h1><table>'));
});

describe("renderMarkdown", () => {
  it("knows nested lists, tables and the operator's HTML", () => {
    const html = renderMarkdown("- a\n  - b\n\n| x |\n|---|\n| 1 |\n\n<b>bold</b>");
    expect(html).toMatch(/<li>a\s*<ul>\s*<li>b<\/li>/);
    expect(html).toContain("<td>1</td>");
    expect(html).toContain("<b>bold</b>");
  });
});

describe("readBlocks", () => {
  it("sets code apart", () => {
    const blocks = readBlocks("Look:\n\n```python\nprint(1)\n```\n\nDone.");
    expect(blocks.map((block) => block.kind)).toEqual(["html", "code", "html"]);
    expect(blocks[1]).toMatchObject({ language: "python", text: "print(1)" });
  });
  it("shows HTML in an answer as text", () => expect(readBlocks("Use <div> or\n\n<script>alert(1)</script>").map((block) => (block.kind === "html" ? block.html : "")).join("")).toMatch(/&lt;div&gt;[^]*&lt;script&gt;/));
  it("reads a fence that is still open", () => expect(readBlocks("```js\nconst a")).toMatchObject([{ kind: "code", text: "const a" }]));
});
