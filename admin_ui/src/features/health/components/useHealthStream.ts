// Server-sent events say that figures have changed; the page then reads them again, at most every two seconds.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { session } from "@/shared/api/client";
import { HEALTH } from "../api/health";

const QUIET_MS = 2000;

/** "live" while events flow, "polling" when the server has no stream. The browser's EventSource cannot send headers, so fetch reads the stream. */
export function useHealthStream(enabled: boolean): "live" | "polling" | "paused" {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(false);
  useEffect(() => {
    if (!enabled) return;
    const stop = new AbortController();
    let timer: number | undefined;
    let retry: number | undefined;
    const refresh = () => {
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: HEALTH });
      }, QUIET_MS);
    };
    const connect = async () => {
      try {
        const response = await fetch("/api/health/stream", {
          signal: stop.signal,
          headers: { Accept: "text/event-stream", "New-Api-User": String(session.userId() ?? "") },
        });
        if (!response.ok || !response.body || !response.headers.get("Content-Type")?.includes("event-stream")) return; // polling goes on
        setConnected(true);
        const reader = response.body.getReader();
        const decoder = new TextDecoder();
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          if (/^(data|event):/m.test(decoder.decode(part.value, { stream: true }))) refresh();
        }
      } catch {
        if (stop.signal.aborted) return;
      }
      setConnected(false);
      retry = window.setTimeout(() => void connect(), 5000);
    };
    void connect();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
      window.clearTimeout(retry);
    };
  }, [enabled, queries]);
  return !enabled ? "paused" : connected ? "live" : "polling";
}
