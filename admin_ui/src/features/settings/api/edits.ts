// Unsaved edits over what is stored: what would be saved, what somebody else has changed meanwhile, and settings as a file.
import type { Option, OptionSpec } from "@/shared/api/types";
import { isSame, type OptionWrite } from "./options";

/** `value` null: back to the default. `version` is the one that was shown when the edit began. */
export interface Edit {
  value: string | null;
  version: string;
}
export type Edits = Readonly<Record<string, Edit>>;
export type Stored = ReadonlyMap<string, Option>;

export const savedOf = (spec: OptionSpec, stored: Stored): string => (spec.secret ? "" : (stored.get(spec.key)?.value ?? spec.default));
export const shownOf = (spec: OptionSpec, stored: Stored, edits: Edits): string => {
  const edit = edits[spec.key];
  return edit ? (edit.value ?? spec.default) : savedOf(spec, stored);
};
const versionOf = (stored: Stored, key: string): string => stored.get(key)?.version ?? "";

/** Whether saving would change anything. */
export function isChanged(spec: OptionSpec, stored: Stored, edits: Edits): boolean {
  const edit = edits[spec.key];
  if (!edit) return false;
  if (edit.value === null) return versionOf(stored, spec.key) !== "";
  return !isSame(spec, edit.value, savedOf(spec, stored));
}
/** Somebody else has saved it since the edit began. */
export function isConflict(spec: OptionSpec, stored: Stored, edits: Edits): boolean {
  const edit = edits[spec.key];
  return edit !== undefined && edit.version !== versionOf(stored, spec.key) && isChanged(spec, stored, edits);
}

export function withEdit(edits: Edits, stored: Stored, key: string, value: string | null): Edits {
  return { ...edits, [key]: { value, version: edits[key]?.version ?? versionOf(stored, key) } };
}
export const withoutEdit = (edits: Edits, key: string): Edits => Object.fromEntries(Object.entries(edits).filter(([name]) => name !== key));
/** Mine is to be saved over theirs. */
export const keepMine = (edits: Edits, stored: Stored, key: string): Edits => (edits[key] ? { ...edits, [key]: { ...edits[key], version: versionOf(stored, key) } } : edits);

export const writesOf = (changed: readonly OptionSpec[], edits: Edits): OptionWrite[] => changed.map(({ key }) => ({ key, ...edits[key]! }));

/** Every setting that differs from its default, without secrets, as a file. */
export function exportOptions(specs: readonly OptionSpec[], stored: Stored): string {
  const changed = specs.filter((spec) => !spec.secret && !isSame(spec, savedOf(spec, stored), spec.default));
  return JSON.stringify(Object.fromEntries(changed.map((spec) => [spec.key, savedOf(spec, stored)])), null, 2);
}
/** The edits that a file makes: only settings that are known, no secrets, only what differs. Null: no such file. */
export function importOptions(text: string, specs: readonly OptionSpec[], stored: Stored): Record<string, string> | null {
  try {
    const file: unknown = JSON.parse(text);
    if (typeof file !== "object" || file === null || Array.isArray(file)) return null;
    const known = new Map(specs.map((spec) => [spec.key, spec]));
    const entries = Object.entries(file).filter((entry): entry is [string, string] => typeof entry[1] === "string");
    return Object.fromEntries(entries.filter(([key, value]) => {
      const spec = known.get(key);
      return spec !== undefined && !spec.secret && !isSame(spec, value, savedOf(spec, stored));
    }));
  } catch {
    return null;
  }
}
