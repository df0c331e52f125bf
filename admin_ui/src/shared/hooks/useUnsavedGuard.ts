// Asks before a page or dialog with unsaved changes is left.
import { useBlocker } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

/** Guards navigation and closing the tab while `dirty`. Dialogs call the returned function before they close: true = may close. */
export function useUnsavedGuard(dirty: boolean): () => boolean {
  const { t } = useTranslation();
  const mayLeave = () => !dirty || window.confirm(t("shared.unsaved"));
  useBlocker({
    shouldBlockFn: ({ current, next }) => current.pathname !== next.pathname && !mayLeave(), // the same page keeps what was typed
    enableBeforeUnload: () => dirty,
    disabled: !dirty,
  });
  return mayLeave;
}
