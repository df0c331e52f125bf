// A small Markdown reader (headings, lists, code, quotes, tables, links, emphasis) and an allow-list cleaner for HTML.
const TAGS = new Set(
  "A ABBR B BLOCKQUOTE BR CODE DD DEL DETAILS DIV DL DT EM H1 H2 H3 H4 H5 H6 HR I IMG KBD LI OL P PRE S SMALL SPAN STRONG SUB SUMMARY SUP TABLE TBODY TD TFOOT TH THEAD TR U UL".split(" "),
);
const ATTRIBUTES = new Set(["href", "title", "alt", "src", "width", "height", "colspan", "rowspan", "align", "lang", "class"]);
const URL_OK = /^(https?:|mailto:|tel:|\/(?!\/)|#|\.)/i;

function cleanElement(element: Element): void {
  for (const child of [...element.children]) {
    if (!TAGS.has(child.tagName)) {
      if (/^(SCRIPT|STYLE|IFRAME|OBJECT|EMBED|TEMPLATE|SVG|MATH|FORM|LINK|META|BASE)$/i.test(child.tagName)) child.remove();
      else {
        cleanElement(child);
        child.replaceWith(...child.childNodes);
      }
      continue;
    }
    for (const { name, value } of [...child.attributes]) {
      const isUrl = name === "href" || name === "src";
      if (!ATTRIBUTES.has(name) || (isUrl && !URL_OK.test(value.trim()))) child.removeAttribute(name);
    }
    if (child.tagName === "A" && /^https?:/i.test(child.getAttribute("href") ?? "")) {
      child.setAttribute("target", "_blank");
      child.setAttribute("rel", "noreferrer noopener");
    }
    cleanElement(child);
  }
}

/** HTML → HTML with only harmless tags and attributes; scripts, handlers, styles, forms and frames are dropped. */
export function cleanHtml(html: string): string {
  const document = new DOMParser().parseFromString(html, "text/html");
  cleanElement(document.body);
  return document.body.innerHTML;
}

const escapeHtml = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");

function inline(text: string): string {
  const codes: string[] = [];
  const held = text.replace(/`([^`]+)`/g, (_, code: string) => `\u0000${codes.push(`<code>${escapeHtml(code)}</code>`) - 1}\u0000`);
  return held
    .replace(/!\[([^\]]*)\]\(([^)\s]+)\)/g, '<img alt="$1" src="$2">')
    .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, '<a href="$2">$1</a>')
    .replace(/\*\*(.+?)\*\*/g, "<strong>$1</strong>")
    .replace(/(^|[^*\w])\*([^*\s][^*]*?)\*/g, "$1<em>$2</em>")
    .replace(/~~(.+?)~~/g, "<del>$1</del>")
    .replace(/\u0000(\d+)\u0000/g, (_, index: string) => codes[Number(index)] ?? "");
}

const cells = (line: string) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => inline(cell.trim()));
const TABLE_RULE = /^\s*\|?[\s:|-]*-[\s:|-]*$/;

/** Markdown → HTML, not yet cleaned: always pass the result through cleanHtml. Raw HTML in the text is kept. */
export function renderMarkdown(source: string): string {
  const lines = source.replace(/\r\n?/g, "\n").split("\n");
  const out: string[] = [];
  let i = 0;
  const line = () => lines[i] ?? "";
  while (i < lines.length) {
    const fence = /^\s*```(\w*)/.exec(line());
    if (fence) {
      const body: string[] = [];
      for (i++; i < lines.length && !/^\s*```/.test(line()); i++) body.push(line());
      i++;
      out.push(`<pre><code class="language-${fence[1] ?? ""}">${escapeHtml(body.join("\n"))}</code></pre>`);
      continue;
    }
    const heading = /^(#{1,6})\s+(.*)$/.exec(line());
    if (heading) {
      out.push(`<h${heading[1]!.length}>${inline(heading[2]!)}</h${heading[1]!.length}>`);
      i++;
    } else if (/^\s*(---+|\*\*\*+)\s*$/.test(line())) {
      out.push("<hr>");
      i++;
    } else if (/^\s*>/.test(line())) {
      const body: string[] = [];
      for (; /^\s*>/.test(line()); i++) body.push(line().replace(/^\s*>\s?/, ""));
      out.push(`<blockquote>${renderMarkdown(body.join("\n"))}</blockquote>`);
    } else if (/^\s*([-*+]|\d+[.)])\s+/.test(line())) {
      const tag = /^\s*\d/.test(line()) ? "ol" : "ul";
      const items: string[] = [];
      for (; /^\s*([-*+]|\d+[.)])\s+/.test(line()) || (/^\s{2,}\S/.test(line()) && items.length > 0); i++) {
        const item = /^\s*(?:[-*+]|\d+[.)])\s+(.*)$/.exec(line());
        if (item) items.push(inline(item[1]!));
        else items[items.length - 1] += ` ${inline(line().trim())}`;
      }
      out.push(`<${tag}>${items.map((item) => `<li>${item}</li>`).join("")}</${tag}>`);
    } else if (line().includes("|") && TABLE_RULE.test(lines[i + 1] ?? "") && (lines[i + 1] ?? "").includes("-")) {
      const head = cells(line());
      const rows: string[] = [];
      for (i += 2; line().includes("|"); i++) rows.push(`<tr>${cells(line()).map((cell) => `<td>${cell}</td>`).join("")}</tr>`);
      out.push(`<table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`);
    } else if (line().trim() === "") i++;
    else {
      const body: string[] = [];
      for (; line().trim() !== "" && !/^(\s*```|#{1,6}\s|\s*>|\s*([-*+]|\d+[.)])\s+)/.test(line()); i++) body.push(line());
      if (body.length === 0) body.push(lines[i++] ?? "");
      out.push(/^\s*</.test(body[0]!) ? body.join("\n") : `<p>${inline(body.join("\n")).replace(/\n/g, "<br>")}</p>`);
    }
  }
  return out.join("\n");
}
