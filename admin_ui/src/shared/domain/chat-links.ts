// Chat links: the operator's URL templates, expanded with a token's key and the server's address.
import type { ChatLink } from "@/shared/api/types";

export interface NamedLink {
  index: number; // the public id
  name: string;
  template: string;
}

/** Entries with one pair; others are skipped but keep their place in the numbering. */
export function readChatLinks(chats: readonly ChatLink[] | undefined): NamedLink[] {
  return (chats ?? []).flatMap((entry, index) => {
    const pairs = Object.entries(entry);
    const pair = pairs[0];
    return pairs.length === 1 && pair ? [{ index, name: pair[0], template: pair[1] }] : [];
  });
}

export interface LinkValues {
  key: string; // with sk-
  address: string; // no trailing slash, no /v1
  model?: string;
}

function payloads({ key, address, model }: LinkValues): Record<string, unknown> {
  const v1 = `${address}/v1`;
  return {
    nextchat: { key, url: address },
    lobe: {
      keyVaults: { openai: { apiKey: key, baseURL: v1 } },
      ...(model ? { languageModel: { openai: { enabled: true, enabledModels: [model] } } } : {}),
    },
    aiaw: { type: "openai", settings: { apiKey: key, baseURL: v1, compatibility: "strict" } },
    cherry: { id: "medusa", baseUrl: address, apiKey: key, name: "MedusaXD API", type: "openai" },
  };
}

const base64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

export function expandChatLink(template: string, values: LinkValues): string {
  const named = payloads(values);
  return template
    .replace(/\{json:(\w+)\}/g, (all, name: string) => (name in named ? encodeURIComponent(JSON.stringify(named[name])) : all))
    .replace(/\{b64:(\w+)\}/g, (all, name: string) => (name in named ? encodeURIComponent(base64(JSON.stringify(named[name]))) : all))
    .replaceAll("{address_raw}", () => values.address)
    .replaceAll("{address}", () => encodeURIComponent(values.address))
    .replaceAll("{key_uri}", () => encodeURIComponent(values.key))
    .replaceAll("{key}", () => values.key)
    .replaceAll("{model}", () => encodeURIComponent(values.model ?? ""));
}

const FORBIDDEN = /^\s*(javascript|data|file|vbscript|blob):/i;
export const isWebLink = (url: string): boolean => /^https?:\/\//i.test(url);
/** May this link be opened at all? */
export const isSafeLink = (url: string): boolean => !FORBIDDEN.test(url) && /^[a-z][a-z0-9+.-]*:/i.test(url);

export function serverAddress(configured: string | undefined): string {
  return (configured || window.location.origin).replace(/\/+$/, "").replace(/\/v1$/, "");
}
