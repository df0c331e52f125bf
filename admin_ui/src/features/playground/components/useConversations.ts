// The conversation on the screen and those kept in this browser.
import { useCallback, useEffect, useRef, useState } from "react";
import { type Conversation, newConversation } from "../api/conversation";
import { readConversations, writeConversations } from "../api/storage";

const SAVE_AFTER_MS = 800;

export function useConversations(userId: number) {
  const [kept, setKept] = useState(() => readConversations(userId));
  const [current, setCurrent] = useState<Conversation>(() => kept[0] ?? newConversation());
  const latest = useRef({ kept, current });
  latest.current = { kept, current };

  const save = useCallback(() => {
    const { kept: others, current: shown } = latest.current;
    return writeConversations(userId, [shown, ...others.filter((one) => one.id !== shown.id)]);
  }, [userId]);
  useEffect(() => {
    const timer = window.setTimeout(() => setKept(save()), SAVE_AFTER_MS);
    return () => window.clearTimeout(timer);
  }, [current, save]);
  useEffect(() => {
    window.addEventListener("pagehide", save);
    return () => {
      window.removeEventListener("pagehide", save);
      save();
    };
  }, [save]);

  const show = (conversation: Conversation) => {
    setKept(save());
    setCurrent(conversation);
  };
  const remove = (id: string) => {
    const left = kept.filter((one) => one.id !== id);
    setKept(writeConversations(userId, left));
    if (current.id === id) setCurrent(left[0] ?? newConversation());
  };
  const clear = () => {
    setKept(writeConversations(userId, []));
    setCurrent(newConversation());
  };
  return { kept, current, change: setCurrent, show, start: () => show(newConversation()), remove, clear };
}
