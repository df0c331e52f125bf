// The captcha of forms that ask for it; nothing when it is off. The site must be allowed by the Content-Security-Policy.
import { useEffect, useRef } from "react";
import { useStatus } from "@/shared/api/status";

interface TurnstileApi {
  render: (element: HTMLElement, options: { sitekey: string; callback: (token: string) => void; "expired-callback": () => void }) => string;
  remove: (id: string) => void;
}
declare global {
  interface Window {
    turnstile?: TurnstileApi;
  }
}
const SCRIPT = "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit";

function loadScript(): Promise<void> {
  if (window.turnstile) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SCRIPT;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error("captcha"));
    document.head.append(script);
  });
}

export function useTurnstileNeeded(): boolean {
  return useStatus()?.turnstile_check ?? false;
}

export function Turnstile({ onToken }: { onToken: (token: string) => void }) {
  const status = useStatus();
  const box = useRef<HTMLDivElement>(null);
  const siteKey = status?.turnstile_check ? status.turnstile_site_key : "";
  useEffect(() => {
    if (!siteKey) return;
    let id: string | undefined;
    let gone = false;
    void loadScript().then(() => {
      if (gone || !box.current || !window.turnstile) return;
      id = window.turnstile.render(box.current, { sitekey: siteKey, callback: onToken, "expired-callback": () => onToken("") });
    }, () => onToken(""));
    return () => {
      gone = true;
      if (id) window.turnstile?.remove(id);
    };
  }, [siteKey, onToken]);
  return siteKey ? <div ref={box} /> : null;
}
