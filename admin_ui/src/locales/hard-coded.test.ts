// No text of the interface stands in the code: what a reader sees or hears comes from the locale files.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const SRC = join(__dirname, "..");
/** Properties and attributes whose value is read out or shown. */
const SPOKEN = new Set(["label", "placeholder", "title", "description", "message", "hint", "header", "alt", "error", "nothingFoundMessage", "confirmLabel", "aria-label", "aria-description", "aria-roledescription"]);
/** Names and notations that are the same in every language. */
const UNIVERSAL = new Set(["ID", "IP", "USD", "MedusaXD API", "Ctrl K", "top_p", "API", "JSON", "JSONL", "CSV", "URL", "GitHub", "Discord", "Telegram", "Lark", "Linux DO", "LinuxDO", "OIDC", "WeChat", "Stripe", "English", "简体中文", "Python", "curl", "JavaScript", "Node.js", "sk-", "Ctrl", "Esc", "QR", "ms", "min", "k", "Bearer"]);

function walk(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

/** Two letters in a row, or a Chinese character, that are neither a name nor an address nor code. */
function isText(raw: string): boolean {
  const text = raw.replace(/&[a-z]+;/g, "").trim();
  if (!/[A-Za-z]{2}|[\u4e00-\u9fff]/.test(text) || UNIVERSAL.has(text)) return false;
  if (/^(https?:\/\/|\/|\{|sk-|wss?:)/.test(text)) return false; // an example of an address, a key or JSON
  return !/^[a-z][\w.-]*(\.[\w-]+)+$/.test(text) && !/^--?[\w-]+$/.test(text); // a file, a host, an option
}

/** The literal parts of an expression that would be shown as they are. */
function literals(node: ts.Expression): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isTemplateExpression(node)) return [node.head.text, ...node.templateSpans.map((span) => span.literal.text)];
  if (ts.isConditionalExpression(node)) return [...literals(node.whenTrue), ...literals(node.whenFalse)];
  if (ts.isBinaryExpression(node) && [ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken, ts.SyntaxKind.PlusToken, ts.SyntaxKind.AmpersandAmpersandToken].includes(node.operatorToken.kind)) return [...literals(node.left), ...literals(node.right)];
  if (ts.isParenthesizedExpression(node)) return literals(node.expression);
  return [];
}

/** `line: text` of everything that is shown and does not come from the locale files. */
export function findTexts(name: string, source: string): string[] {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true, name.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS);
  const found: string[] = [];
  const tell = (node: ts.Node, texts: string[]) => {
    for (const text of texts) if (isText(text)) found.push(`${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${text.trim()}`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node)) tell(node, [node.text]);
    else if (ts.isJsxExpression(node) && node.expression && (ts.isJsxElement(node.parent) || ts.isJsxFragment(node.parent))) tell(node, literals(node.expression));
    else if (ts.isJsxAttribute(node) && SPOKEN.has(node.name.getText()) && node.initializer) {
      if (ts.isStringLiteral(node.initializer)) tell(node, [node.initializer.text]);
      else if (ts.isJsxExpression(node.initializer) && node.initializer.expression) tell(node, literals(node.initializer.expression));
    } else if (ts.isPropertyAssignment(node) && SPOKEN.has(node.name.getText().replace(/["']/g, ""))) tell(node, literals(node.initializer));
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

describe("texts in the code", () => {
  it.each([
    ["text of an element", "<p>Hello there</p>", ["1: Hello there"]],
    ["a chosen text", '<p>{ready ? "Ready" : t("x.wait")}</p>', ["1: Ready"]],
    ["a spoken attribute", '<a aria-label="Close it" className="Close it" />', ["1: Close it"]],
    ["a part of a template", "<p title={`Copy ${name}`} />", ["1: Copy"]],
    ["a property", 'const columns = [{ header: "Name of it", id: "Name of it" }];', ["1: Name of it"]],
    ["what is translated", '<p title={t("a.b")}>{t("a.c")} · 5</p>', []],
    ["an address", '<p placeholder="https://api.example.com">{"/v1"}</p>', []],
  ])("finds: %s", (_, source, expected) => expect(findTexts("x.tsx", source)).toEqual(expected));

  it("are in no file", () => {
    const sources = walk(SRC).filter((path) => /\.tsx?$/.test(path) && !/\.test(-data)?\./.test(path) && !path.endsWith("schema.d.ts"));
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.flatMap((path) => findTexts(path, readFileSync(path, "utf8")).map((text) => `${path.slice(SRC.length + 1)}:${text}`))).toEqual([]);
  });
});
