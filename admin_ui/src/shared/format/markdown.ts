// Markdown and HTML that others wrote (operators, models): parsed by marked, cleaned by DOMPurify before it touches the page.
import DOMPurify from "dompurify";
import { Marked, type Token } from "marked";

const purifier = DOMPurify();
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && /^https?:/i.test(node.getAttribute("href") ?? "")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noreferrer noopener");
  }
  if (node.tagName === "IMG") node.setAttribute("referrerpolicy", "no-referrer");
});

/** HTML → HTML with only harmless tags and attributes; scripts, handlers, styles, forms and frames are dropped. */
export function cleanHtml(html: string): string {
  return purifier.sanitize(html, { USE_PROFILES: { html: true }, FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "option", "dialog"], FORBID_ATTR: ["style", "id", "name"] });
}

const escapeHtml = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const operator = new Marked({ gfm: true, breaks: true });
/** Markdown with HTML of the operator → HTML, not yet cleaned: always pass the result through cleanHtml. */
export const renderMarkdown = (source: string): string => operator.parse(source, { async: false });

// A model's answer that shows <div> means the characters, not an element.
const answers = new Marked({ gfm: true, breaks: true, renderer: { html: ({ text }) => escapeHtml(text) } });

export type Block = { kind: "code"; raw: string; language: string; text: string } | { kind: "html"; raw: string; html: string };

/** An answer in blocks: code apart from prose, so that code gets its own frame and a streamed text repaints only its last block. */
export function readBlocks(source: string): Block[] {
  return answers.lexer(source).flatMap((token: Token): Block[] => {
    if (token.type === "space") return [];
    if (token.type === "code") return [{ kind: "code", raw: token.raw, language: String(token["lang"] ?? "").split(/\s/)[0] ?? "", text: String(token["text"]) }];
    return [{ kind: "html", raw: token.raw, html: cleanHtml(answers.parser([token])) }];
  });
}
