// The list of chat clients as the operator edits it: rows of name and template, stored as JSON pairs.
import { expandChatLink, isSafeLink } from "@/shared/domain/chat-links";

export interface ChatEntry {
  name: string;
  template: string;
}
const NAME_MAX = 40;
const SAMPLE = { key: "sk-0123456789abcdef", address: "https://api.example.com", model: "gpt-4o" };
const PLACEHOLDERS = /\{(key|address|address_raw|key_uri|model|json:(nextchat|lobe|aiaw|cherry)|b64:(nextchat|lobe|aiaw|cherry))\}/g;

/** Null when the text is not a list of single pairs. */
export function readEntries(text: string): ChatEntry[] | null {
  try {
    const list: unknown = JSON.parse(text || "[]");
    if (!Array.isArray(list)) return null;
    const entries = list.map((one) => (one && typeof one === "object" ? Object.entries(one as Record<string, unknown>) : []));
    if (entries.some((pairs) => pairs.length !== 1 || typeof pairs[0]![1] !== "string")) return null;
    return entries.map((pairs) => ({ name: pairs[0]![0], template: pairs[0]![1] as string }));
  } catch {
    return null;
  }
}
export const writeEntries = (entries: readonly ChatEntry[]): string => JSON.stringify(entries.map(({ name, template }) => ({ [name]: template })));
export const preview = (template: string): string => expandChatLink(template, SAMPLE);

export type EntryProblem = "name" | "twice" | "link" | "unknown";
/** What is wrong with a row; "unknown" is a warning only: a placeholder that nothing fills in. */
export function checkEntry(entries: readonly ChatEntry[], index: number): EntryProblem | null {
  const entry = entries[index]!;
  if (!entry.name.trim() || entry.name.length > NAME_MAX) return "name";
  if (entries.some((other, place) => place !== index && other.name === entry.name)) return "twice";
  const url = preview(entry.template);
  if (!isSafeLink(url) || !URL.canParse(url)) return "link";
  if (/\{[a-z_]+(:\w+)?\}/.test(entry.template.replace(PLACEHOLDERS, ""))) return "unknown";
  return null;
}

export function move<T>(list: readonly T[], from: number, by: number): T[] {
  const next = [...list];
  const to = from + by;
  if (to < 0 || to >= next.length) return next;
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}
