// The operator's own HTML or Markdown, cleaned by an allow list before it touches the page.
import { useMemo } from "react";
import { cleanHtml, renderMarkdown } from "@/shared/format/markdown";

export function SafeHtml({ html, markdown = false }: { html: string; markdown?: boolean }) {
  const clean = useMemo(() => cleanHtml(markdown ? renderMarkdown(html) : html), [html, markdown]);
  return <div className="rich-text" dangerouslySetInnerHTML={{ __html: clean }} />;
}
