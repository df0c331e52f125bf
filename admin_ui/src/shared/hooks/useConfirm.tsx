// Questions before what cannot be taken back; a typed word for mass deletion. For what can: useUndo.
import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { modals } from "@mantine/modals";
import { useState } from "react";
import { useTranslation } from "react-i18next";

interface ConfirmOptions {
  title: string;
  message?: string;
  confirmLabel?: string;
  danger?: boolean;
  typed?: string; // the word to type before the button works
  onConfirm: () => void | Promise<unknown>;
}

function ConfirmBody({ id, options }: { id: string; options: ConfirmOptions }) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const confirm = async () => {
    setBusy(true);
    try {
      await options.onConfirm();
    } finally {
      modals.close(id);
    }
  };
  return (
    <Stack>
      {options.message && <Text size="sm">{options.message}</Text>}
      {options.typed && (
        <TextInput
          label={t("shared.confirm.type", { word: options.typed })}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          data-autofocus
        />
      )}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={() => modals.close(id)}>
          {t("shared.action.cancel")}
        </Button>
        <Button
          {...(options.danger ? { color: "red" } : {})}
          loading={busy}
          disabled={options.typed !== undefined && text !== options.typed}
          onClick={() => void confirm()}
          data-autofocus={options.typed ? undefined : true}
        >
          {options.confirmLabel ?? t("shared.action.confirm")}
        </Button>
      </Group>
    </Stack>
  );
}

export function useConfirm(): (options: ConfirmOptions) => void {
  return (options) => {
    const id = `confirm-${Math.random().toString(36).slice(2)}`;
    modals.open({ modalId: id, title: options.title, children: <ConfirmBody id={id} options={options} /> });
  };
}
