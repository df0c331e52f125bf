// JSON settings as rows that a form can edit: what a row is made of, for every shape the server declares.
export type ColumnKind = "group" | "model" | "name" | "number" | "text" | "words";
export interface RowColumn {
  id: string; // text: settings.rows.<id>
  kind: ColumnKind;
}
export type Shape = "numbers" | "texts" | "names" | "limits" | "ratios" | "headers";
/** The cells of a row as texts: the names that tell rows apart first, then the values. */
export type Row = string[];

interface RowShape {
  names: number; // how many of the columns tell rows apart
  read: (json: unknown) => Row[] | null;
  write: (rows: readonly Row[]) => unknown;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): value is number => typeof value === "number" && value >= 0;
const whole = (rows: (Row | null)[]): Row[] | null => (rows.every((row) => row !== null) ? (rows as Row[]) : null);

function nested(read: (value: unknown) => string | null, write: (text: string) => unknown): RowShape {
  return {
    names: 2,
    read: (json) =>
      isObject(json)
        ? whole(
            Object.entries(json).flatMap(([name, inner]): (Row | null)[] => {
              if (!isObject(inner)) return [null];
              return Object.entries(inner).map(([second, value]) => {
                const text = read(value);
                return text === null ? null : [name, second, text];
              });
            }),
          )
        : null,
    write: (rows) => {
      const result: Record<string, Record<string, unknown>> = {};
      for (const [name, second, value] of rows) (result[name!] ??= {})[second!] = write(value!);
      return result;
    },
  };
}

function flat(read: (value: unknown) => string[] | null, write: (values: string[]) => unknown): RowShape {
  return {
    names: 1,
    read: (json) =>
      isObject(json)
        ? whole(
            Object.entries(json).map(([name, value]) => {
              const values = read(value);
              return values && [name, ...values];
            }),
          )
        : null,
    write: (rows) => Object.fromEntries(rows.map(([name, ...values]) => [name, write(values)])),
  };
}

const words = (text: string) => text.split(",").map((one) => one.trim()).filter(Boolean);
const SHAPES: Record<Shape, RowShape> = {
  numbers: flat((value) => (isNumber(value) ? [String(value)] : null), ([value]) => Number(value)),
  texts: flat((value) => (typeof value === "string" ? [value] : null), ([value]) => value),
  limits: flat(
    (value) => (Array.isArray(value) && value.length === 2 && value.every((one) => isNumber(one) && Number.isInteger(one)) ? value.map(String) : null),
    (values) => values.map(Number),
  ),
  names: {
    names: 1,
    read: (json) => (Array.isArray(json) && json.every((one) => typeof one === "string") ? json.map((one) => [one]) : null),
    write: (rows) => rows.map(([name]) => name),
  },
  ratios: nested((value) => (isNumber(value) ? String(value) : null), Number),
  headers: nested(
    (value) => (typeof value === "string" ? value : Array.isArray(value) && value.every((one) => typeof one === "string") ? value.join(", ") : null),
    (text) => words(text),
  ),
};

const column = (id: string, kind: ColumnKind): RowColumn => ({ id, kind });
const COLUMNS: Record<string, RowColumn[]> = {
  TaskTimeoutMinutes: [column("platform", "name"), column("minutes", "number")],
  ModelTokensPerMinuteGroup: [column("group", "group"), column("tokens", "number")],
  ModelRequestRateLimitGroup: [column("group", "group"), column("all", "number"), column("successful", "number")],
  GroupGroupRatio: [column("userGroup", "group"), column("usedGroup", "group"), column("ratio", "number")],
  UserUsableGroups: [column("group", "group"), column("description", "text")],
  AutoGroups: [column("group", "group")],
  "claude.default_max_tokens": [column("model", "model"), column("tokens", "number")],
  "claude.model_headers_settings": [column("model", "model"), column("header", "name"), column("values", "words")],
  "gemini.safety_settings": [column("category", "name"), column("threshold", "text")],
  "gemini.version_settings": [column("model", "model"), column("version", "text")],
};
const ANY: Record<Shape, RowColumn[]> = {
  numbers: [column("name", "name"), column("value", "number")],
  texts: [column("name", "name"), column("value", "text")],
  names: [column("name", "name")],
  limits: [column("group", "group"), column("all", "number"), column("successful", "number")],
  ratios: [column("userGroup", "group"), column("usedGroup", "group"), column("ratio", "number")],
  headers: [column("model", "model"), column("header", "name"), column("values", "words")],
};

export const columnsOf = (key: string, shape: Shape): RowColumn[] => COLUMNS[key] ?? ANY[shape];
export const namesOf = (shape: Shape): number => SHAPES[shape].names;

/** Null when the text is not of the shape. */
export function readRows(shape: Shape, text: string): Row[] | null {
  try {
    return SHAPES[shape].read(JSON.parse(text || (shape === "names" ? "[]" : "{}")));
  } catch {
    return null;
  }
}
export const writeRows = (shape: Shape, rows: readonly Row[]): string => JSON.stringify(SHAPES[shape].write(rows), null, 2);

/** Whether a row may be added: all its names are given and no other row has them. */
export function mayAdd(shape: Shape, rows: readonly Row[], row: Row): boolean {
  const named = (one: Row) => one.slice(0, namesOf(shape)).map((text) => text.trim());
  const wanted = named(row);
  return wanted.every(Boolean) && !rows.some((one) => named(one).join("\n") === wanted.join("\n"));
}
