// What a call may be told besides its messages. An unset value is not sent: the model's own default holds.
import { checkJsonObject, readJsonObject } from "@/shared/api/json-text";

export type Unset = "";
export const EFFORTS = ["minimal", "low", "medium", "high"] as const;
export const FORMATS = ["text", "json_object", "json_schema"] as const;

export interface Parameters {
  group: string; // "" = the account's own
  system: string;
  stream: boolean;
  temperature: number | Unset;
  top_p: number | Unset;
  max_tokens: number | Unset;
  presence_penalty: number | Unset;
  frequency_penalty: number | Unset;
  seed: number | Unset;
  stop: string[];
  effort: (typeof EFFORTS)[number] | Unset;
  format: (typeof FORMATS)[number];
  schema: string; // JSON Schema of the answer, for json_schema
}

export const DEFAULTS: Parameters = {
  group: "", system: "", stream: true, temperature: "", top_p: "", max_tokens: "", presence_penalty: "", frequency_penalty: "", seed: "", stop: [], effort: "", format: "text",
  schema: '{\n  "type": "object",\n  "properties": { "answer": { "type": "string" } },\n  "required": ["answer"],\n  "additionalProperties": false\n}',
};

export type NumberName = "temperature" | "top_p" | "max_tokens" | "presence_penalty" | "frequency_penalty" | "seed";
export const NUMBERS: { name: NumberName; min?: number; max?: number; step: number; whole?: boolean }[] = [
  { name: "temperature", min: 0, max: 2, step: 0.1 },
  { name: "top_p", min: 0, max: 1, step: 0.05 },
  { name: "max_tokens", min: 1, step: 256, whole: true },
  { name: "presence_penalty", min: -2, max: 2, step: 0.1 },
  { name: "frequency_penalty", min: -2, max: 2, step: 0.1 },
  { name: "seed", step: 1, whole: true },
];
export const STOPS_MAX = 4; // as OpenAI's API allows

/** How many parameters are set: those that a reader of the answer should know about. */
export function countSet(parameters: Parameters): number {
  return Object.keys(requestMembers(parameters)).length + (parameters.system.trim() ? 1 : 0);
}

/** The members of a request body that were chosen. */
export function requestMembers(parameters: Parameters): Record<string, unknown> {
  const numbers = NUMBERS.filter(({ name }) => parameters[name] !== "").map(({ name }) => [name, parameters[name]]);
  return {
    ...Object.fromEntries(numbers),
    ...(parameters.stop.length ? { stop: parameters.stop } : {}),
    ...(parameters.effort ? { reasoning_effort: parameters.effort } : {}),
    ...responseFormat(parameters),
  };
}

function responseFormat({ format, schema }: Parameters): Record<string, unknown> {
  if (format === "json_object") return { response_format: { type: "json_object" } };
  if (format === "json_schema") return { response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema: readJsonObject(schema) } } };
  return {};
}

/** Is the schema a JSON object, where one is needed? */
export const schemaIsRight = ({ format, schema }: Parameters): boolean => format !== "json_schema" || (schema.trim() !== "" && checkJsonObject(schema) === null);

/** What was kept by an older page, completed. */
export const withDefaults = (kept: Partial<Parameters>): Parameters => ({ ...DEFAULTS, ...kept });
