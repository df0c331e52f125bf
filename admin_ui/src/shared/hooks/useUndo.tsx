// Destructive actions wait a few seconds before they reach the server, with a button to take them back.
import { Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useTranslation } from "react-i18next";

const DELAY_MS = 6000;
const waiting = new Map<string, () => void>(); // what still has to be sent
window.addEventListener("pagehide", () => waiting.forEach((send) => send())); // leaving the page means it

interface Undoable {
  message: string;
  run: () => void; // sent to the server after the delay
  onUndo: () => void; // put the rows back
}

/** The caller hides the rows at once, then calls this. */
export function useUndo(): (action: Undoable) => void {
  const { t } = useTranslation();
  return ({ message, run, onUndo }) => {
    const id = `undo-${Math.random().toString(36).slice(2)}`;
    const send = () => {
      if (!waiting.delete(id)) return;
      window.clearTimeout(timer);
      notifications.hide(id);
      run();
    };
    const timer = window.setTimeout(send, DELAY_MS);
    waiting.set(id, send);
    const undo = () => {
      if (!waiting.delete(id)) return;
      window.clearTimeout(timer);
      notifications.hide(id);
      onUndo();
    };
    notifications.show({
      id,
      autoClose: DELAY_MS,
      onClose: () => send(),
      withCloseButton: true,
      message: (
        <Group justify="space-between" wrap="nowrap">
          <Text size="sm">{message}</Text>
          <Button size="compact-sm" variant="light" onClick={undo}>
            {t("shared.action.undo")}
          </Button>
        </Group>
      ),
    });
  };
}
