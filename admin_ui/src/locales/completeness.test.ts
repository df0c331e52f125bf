// Every text exists in every language with the same slots, every t("…") has a text, and no text is unused.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LANGUAGES } from "./index";

const SRC = join(__dirname, "..");
const PLURAL = /_(zero|one|two|few|many|other)$/;

function walk(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

function flatten(value: unknown, prefix: string): [string, string][] {
  if (typeof value === "string") return [[prefix, value]];
  return Object.entries(value as Record<string, unknown>).flatMap(([key, child]) => flatten(child, `${prefix}.${key}`));
}

const files = walk(SRC);
function textsOf(language: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const file of files.filter((path) => path.endsWith(`/locales/${language}.json`))) {
    const noun = file.split("/").at(-3)!;
    for (const [key, text] of flatten(JSON.parse(readFileSync(file, "utf8")), noun)) texts.set(key, text);
  }
  return texts;
}

/** What the code asks for: whole keys, and prefixes of keys built at run time (t(`channels.type.${type}`)). */
function usesOf(source: string, nouns: Set<string>) {
  const exact: string[] = [];
  const patterns: RegExp[] = [];
  for (const match of source.matchAll(/["']([a-zA-Z]+(?:\.[a-zA-Z0-9_]+)+)["']/g)) if (nouns.has(match[1]!.split(".")[0]!)) exact.push(match[1]!);
  for (const match of source.matchAll(/`([a-zA-Z]+\.(?:[^`\s$]|\$\{[^}]*\})*)`/g)) {
    const noun = match[1]!.split(".")[0]!;
    if (nouns.has(noun)) patterns.push(new RegExp(`^${match[1]!.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^()|[\]\\]/g, "\\$&")).join(".+")}$`));
  }
  return { exact, patterns };
}

const en = textsOf("en");
const nouns = new Set([...en.keys()].map((key) => key.split(".")[0]!));
const sources = files.filter((path) => /\.tsx?$/.test(path) && !path.includes(".test.") && !path.endsWith("schema.d.ts"));
const uses = sources.map((path) => ({ path, source: readFileSync(path, "utf8") }));
const base = (key: string) => key.replace(PLURAL, "");

describe("texts", () => {
  for (const language of LANGUAGES.map((l) => l.id).filter((id) => id !== "en")) {
    const other = textsOf(language);
    it(`${language} has the same keys as en`, () => {
      expect([...en.keys()].filter((key) => !other.has(key))).toEqual([]);
      expect([...other.keys()].filter((key) => !en.has(key))).toEqual([]);
    });
    it(`${language} fills the same slots as en`, () => {
      const slots = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort().join();
      expect([...en].filter(([key, text]) => slots(text) !== slots(other.get(key) ?? "")).map(([key]) => key)).toEqual([]);
    });
  }

  it("every key asked for by the code exists", () => {
    const known = new Set([...en.keys()].map(base));
    const missing = uses.flatMap(({ path, source }) => {
      const calls = [...source.matchAll(/\bt\(\s*["']([^"']+)["']/g)].map((match) => match[1]!);
      return calls.filter((key) => !known.has(key)).map((key) => `${key} in ${path.slice(SRC.length)}`);
    });
    expect(missing).toEqual([]);
  });

  it("no text is unused", () => {
    const exact = new Set<string>();
    const patterns: RegExp[] = [];
    for (const { source } of uses) {
      const found = usesOf(source, nouns);
      for (const key of found.exact) exact.add(key);
      patterns.push(...found.patterns);
    }
    const unused = [...en.keys()].filter((key) => !exact.has(base(key)) && !patterns.some((pattern) => pattern.test(base(key))));
    expect(unused).toEqual([]);
  });
});
