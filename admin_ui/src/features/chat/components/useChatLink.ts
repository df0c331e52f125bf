// From a chat link's number to the address to open: template, token, key.
import { useQuery } from "@tanstack/react-query";
import { useStatus } from "@/shared/api/status";
import { expandChatLink, isSafeLink, isWebLink, type NamedLink, readChatLinks, serverAddress } from "@/shared/domain/chat-links";
import { CHAT_TOKENS, chooseToken, readKey, readTokens } from "../api/tokens";

export interface ChatTarget {
  url: string;
  key: string;
  address: string;
  tokenName: string;
  isWeb: boolean; // else an app's scheme
  isForeign: boolean; // another host than this server: the key leaves it
}

export function useChatLinks(): NamedLink[] | undefined {
  const status = useStatus();
  return status && readChatLinks(status.chats);
}

/** `target.data` null: no usable token. The key is asked for each time and never kept. */
export function useChatTarget(link: NamedLink | undefined, wanted: string, model: string) {
  const status = useStatus();
  const address = serverAddress(status?.server_address);
  return useQuery({
    queryKey: [...CHAT_TOKENS, link?.template ?? "", wanted, model, address],
    enabled: link !== undefined && status !== undefined,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: false,
    queryFn: async ({ signal }): Promise<ChatTarget | null> => {
      const token = chooseToken(await readTokens(signal), wanted, Date.now() / 1000);
      if (!token || !link) return null;
      const key = await readKey(token.id);
      const url = expandChatLink(link.template, { key, address, model });
      if (!isSafeLink(url)) throw new Error("unsafe link");
      const isWeb = isWebLink(url);
      return { url, key, address, tokenName: token.name, isWeb, isForeign: isWeb && new URL(url).host !== window.location.host };
    },
  });
}
