// JSON kept in text columns ("", "null", or an object): read it without ever throwing.
export function readJsonObject(text: string | null | undefined): Record<string, unknown> {
  if (!text) return {};
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** null when the text is empty or a JSON object, else what is wrong: "syntax" or "not_object". */
export function checkJsonObject(text: string | null | undefined): "syntax" | "not_object" | null {
  if (!text?.trim()) return null;
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? null : "not_object";
  } catch {
    return "syntax";
  }
}

export const splitList = (text: string | null | undefined): string[] =>
  [...new Set((text ?? "").split(/[,\n]/).map((item) => item.trim()).filter(Boolean))];
