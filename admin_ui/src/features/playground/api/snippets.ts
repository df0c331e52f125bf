// The same call for a shell, for Python and for JavaScript, with every parameter.
import type { RequestBody } from "./request";

/** A JSON value as Python writes it. */
export function pythonLiteral(value: unknown, by = ""): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value); // numbers and strings look alike
  const inner = `${by}    `;
  const items = Array.isArray(value) ? value.map((item) => inner + pythonLiteral(item, inner)) : Object.entries(value).map(([name, item]) => `${inner}${JSON.stringify(name)}: ${pythonLiteral(item, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return items.length ? `${open}\n${items.join(",\n")},\n${by}${close}` : open + close;
}

const withoutUsage = ({ stream_options: _, ...body }: RequestBody) => body; // only our figures need it

export function curlOf(address: string, request: RequestBody): string {
  const json = JSON.stringify(withoutUsage(request), null, 2).replace(/'/g, "'\\''");
  return `curl ${address}/v1/chat/completions \\\n  -H "Authorization: Bearer $API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${json}'`;
}

export function pythonOf(address: string, request: RequestBody): string {
  const members = Object.entries(withoutUsage(request)).filter(([name, value]) => name !== "stream" || value === true);
  const call = `client.chat.completions.create(\n${members.map(([name, value]) => `    ${name}=${pythonLiteral(value, "    ")},\n`).join("")})`;
  const head = `import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${address}/v1", api_key=os.environ["API_KEY"])\n`;
  if (!request.stream) return `${head}answer = ${call}\nprint(answer.choices[0].message.content)\n`;
  return `${head}stream = ${call}\nfor chunk in stream:\n    if chunk.choices and chunk.choices[0].delta.content:\n        print(chunk.choices[0].delta.content, end="", flush=True)\n`;
}

export function javascriptOf(address: string, request: RequestBody): string {
  const { stream, ...rest } = withoutUsage(request);
  const members = JSON.stringify(stream ? { ...rest, stream } : rest, null, 2).replace(/^( *)"([A-Za-z_]\w*)":/gm, "$1$2:");
  const head = `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${address}/v1", apiKey: process.env.API_KEY });\n`;
  const call = `await client.chat.completions.create(${members});\n`;
  if (!stream) return `${head}const answer = ${call}console.log(answer.choices[0].message.content);\n`;
  return `${head}const stream = ${call}for await (const chunk of stream) {\n  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");\n}\n`;
}

export const SNIPPETS = { curl: curlOf, Python: pythonOf, JavaScript: javascriptOf } as const;
export const LANGUAGE_OF: Record<keyof typeof SNIPPETS, string> = { curl: "bash", Python: "python", JavaScript: "javascript" };
