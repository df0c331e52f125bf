// Keeps the end of a growing page in sight, unless the reader has scrolled away from it.
import { useEffect, useRef } from "react";

const NEAR_PX = 160; // this close to the end counts as reading along

/** @param turns a new one brings its reader to the end; `content` changes while it grows. */
export function useFollow(turns: number, content: unknown): void {
  const follows = useRef(true);
  const seen = useRef(turns);
  useEffect(() => {
    const onScroll = () => {
      const root = document.documentElement;
      follows.current = root.scrollHeight - root.scrollTop - root.clientHeight < NEAR_PX;
    };
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, []);
  useEffect(() => {
    if (turns > seen.current) follows.current = true;
    seen.current = turns;
    if (follows.current && turns > 0) window.scrollTo({ top: document.documentElement.scrollHeight });
  }, [turns, content]);
}
