// Keyboard everywhere: Ctrl/⌘+K palette, ? help, "g" then a letter goes to a page, "/" focuses the page's search box.
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { useSelf } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import { visibleNavigation } from "./navigation";

const SEQUENCE_MS = 1200; // how long "g" waits for its letter

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function useGoKeys({ onPalette, onHelp }: { onPalette: () => void; onHelp: () => void }): void {
  const navigate = useNavigate();
  const self = useSelf();
  const status = useStatus();
  useEffect(() => {
    let goAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        onPalette();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target) || document.querySelector("[role=dialog]")) return;
      if (event.key === "?") return onHelp();
      if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("input[data-page-search]");
        if (search) {
          event.preventDefault();
          search.focus();
        }
        return;
      }
      const now = Date.now();
      if (event.key === "g") goAt = now;
      else if (now - goAt < SEQUENCE_MS) {
        goAt = 0;
        const items = visibleNavigation(self?.role ?? 0, status).flatMap((group) => group.items);
        const item = items.find((candidate) => candidate.key === event.key);
        if (item) void navigate({ to: item.to });
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate, self?.role, status, onPalette, onHelp]);
}
