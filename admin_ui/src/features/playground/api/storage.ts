// Conversations kept in this browser, apart for each account; the oldest give way when the browser has no room left.
import { type Conversation, settled } from "./conversation";

const KEPT_MAX = 50; // conversations: more makes no list that anybody reads

const keyOf = (userId: number) => `medusa.playground.conversations.${userId}`;

/** Newest first. */
export function readConversations(userId: number, storage: Storage = localStorage): Conversation[] {
  try {
    const read: unknown = JSON.parse(storage.getItem(keyOf(userId)) ?? "[]");
    return Array.isArray(read) ? (read as Conversation[]).filter((one) => Array.isArray(one.turns)).map(settled) : [];
  } catch {
    return [];
  }
}

const withoutFiles = (conversation: Conversation): Conversation => ({
  ...conversation,
  turns: conversation.turns.map((turn) => ({ ...turn, attachments: turn.attachments.map((one) => ({ ...one, data: "" })) })),
});

/** Keeps as many as the browser has room for: first the oldest go, then the files of the last one. Returns what is kept. */
export function writeConversations(userId: number, conversations: readonly Conversation[], storage: Storage = localStorage): Conversation[] {
  let kept = [...conversations].filter((one) => one.turns.length > 0).sort((a, b) => b.changed - a.changed).slice(0, KEPT_MAX);
  for (;;) {
    try {
      storage.setItem(keyOf(userId), JSON.stringify(kept));
      return kept;
    } catch {
      const [newest] = kept;
      if (!newest) return [];
      if (kept.length > 1) kept = kept.slice(0, -1);
      else if (newest.turns.some((turn) => turn.attachments.some((one) => one.data))) kept = [withoutFiles(newest)];
      else return [];
    }
  }
}
