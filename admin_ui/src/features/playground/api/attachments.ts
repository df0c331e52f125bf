// Files given to a model: pictures scaled to what models look at, documents as they are, texts as text.
import type { Attachment } from "./conversation";

const SIDE_MAX = 2048; // px: models scale larger pictures down themselves
const PICTURE_BYTES_MAX = 400_000; // a smaller one within SIDE_MAX goes as it is
const DOCUMENT_BYTES_MAX = 8_000_000;
const TEXT_BYTES_MAX = 500_000;
export const ATTACHMENTS_MAX = 8;
export const ACCEPTED = "image/*,application/pdf,text/*,.md,.json,.csv,.log,.yaml,.yml,.toml,.py,.ts,.js,.sql";

const SENT_AS_IS = /^image\/(png|jpeg|webp|gif)$/;
const TEXT = /^text\/|json|xml|yaml|toml|javascript|typescript|sql/;
const TEXT_NAME = /\.(md|txt|json|csv|log|ya?ml|toml|py|tsx?|jsx?|sql|sh|rs|go|java|c|h|cpp|rb|php|ini|conf)$/i;

export class UnusableFile extends Error {
  constructor(
    readonly file: string,
    readonly reason: "kind" | "size" | "unreadable",
  ) {
    super(`${file}: ${reason}`);
  }
}

/** The same proportions, no side longer than `most`. */
export function fitWithin(width: number, height: number, most: number): { width: number; height: number } {
  const scale = Math.min(1, most / Math.max(width, height, 1));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

export function kindOf({ type, name }: { type: string; name: string }): Attachment["kind"] | null {
  if (type.startsWith("image/")) return "image";
  if (type === "application/pdf") return "document";
  return TEXT.test(type) || TEXT_NAME.test(name) ? "text" : null;
}

function read(blob: Blob, way: "readAsDataURL" | "readAsText"): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error("unreadable"));
    reader[way](blob);
  });
}

async function readPicture(file: File): Promise<string> {
  const picture = await createImageBitmap(file).catch(() => {
    throw new UnusableFile(file.name, "unreadable");
  });
  const size = fitWithin(picture.width, picture.height, SIDE_MAX);
  if (SENT_AS_IS.test(file.type) && file.size <= PICTURE_BYTES_MAX && size.width === picture.width) return read(file, "readAsDataURL");
  const canvas = document.createElement("canvas");
  Object.assign(canvas, size);
  const pen = canvas.getContext("2d");
  if (!pen) throw new UnusableFile(file.name, "unreadable");
  pen.fillStyle = "#fff"; // JPEG knows no transparency
  pen.fillRect(0, 0, size.width, size.height);
  pen.drawImage(picture, 0, 0, size.width, size.height);
  return canvas.toDataURL("image/jpeg", 0.85);
}

/** Throws UnusableFile. */
export async function readAttachment(file: File): Promise<Attachment> {
  const kind = kindOf(file);
  if (!kind) throw new UnusableFile(file.name, "kind");
  if (kind === "image") return { kind, name: file.name, data: await readPicture(file) };
  if (file.size > (kind === "text" ? TEXT_BYTES_MAX : DOCUMENT_BYTES_MAX)) throw new UnusableFile(file.name, "size");
  return { kind, name: file.name, data: await read(file, kind === "text" ? "readAsText" : "readAsDataURL") };
}
