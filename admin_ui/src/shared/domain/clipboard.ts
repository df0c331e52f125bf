// Puts text on the clipboard: on plain HTTP too, where browsers have no `navigator.clipboard` and only the older command copies.

/** Call it in answer to a click. Rejects where the browser refuses. */
export async function copyText(text: string): Promise<void> {
  if ("clipboard" in navigator) return navigator.clipboard.writeText(text);
  copyBySelection(text);
}

/** The command copies what is selected, so the text stands in a field for a moment: inside an open dialog, which lets no focus out. */
function copyBySelection(text: string): void {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.style.cssText = "position:fixed;opacity:0";
  (focused?.closest("[role=dialog]") ?? document.body).append(field);
  field.focus({ preventScroll: true });
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  if (!copied) throw new DOMException("copy", "NotAllowedError");
}
