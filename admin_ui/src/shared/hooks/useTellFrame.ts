// Tells an embedded page of the reader's theme and language: at its load, and whenever they change.
import { useComputedColorScheme } from "@mantine/core";
import { type RefObject, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

/** Messages `{themeMode: "light" | "dark"}` and `{lang: "zh" | "en"}`, to the frame's own origin only. Returns what `onLoad` calls. */
export function useTellFrame(frame: RefObject<HTMLIFrameElement | null>, url: string): () => void {
  const { i18n } = useTranslation();
  const themeMode = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const lang = i18n.language.split("-")[0];
  const loaded = useRef(false); // before, the frame is of another origin, and the browser complains
  const tell = () => {
    loaded.current = true;
    const origin = new URL(url, window.location.origin).origin;
    frame.current?.contentWindow?.postMessage({ themeMode }, origin);
    frame.current?.contentWindow?.postMessage({ lang }, origin);
  };
  useEffect(() => {
    if (loaded.current) tell();
    // what it says depends on these two alone
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [themeMode, lang]);
  return tell;
}
