// What was asked, with its files; copied, edited and asked again, or deleted.
import { ActionIcon, Button, Group, Text, Textarea, Tooltip } from "@mantine/core";
import { IconEdit, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/shared/components/CopyButton";
import type { Turn } from "../api/conversation";
import { AttachmentList } from "./AttachmentList";
import { isSend } from "./Composer";
import classes from "./Playground.module.css";

interface QuestionProps {
  turn: Turn;
  busy: boolean;
  onAsk: (text: string) => void;
  onDelete: () => void;
}
export function Question({ turn, busy, onAsk, onDelete }: QuestionProps) {
  const { t } = useTranslation();
  const [draft, setDraft] = useState<string | null>(null);
  const ask = () => {
    if (draft === null || busy || (!draft.trim() && turn.attachments.length === 0)) return;
    onAsk(draft.trim());
    setDraft(null);
  };
  if (draft !== null) {
    return (
      <div className={classes.editing}>
        <AttachmentList attachments={turn.attachments} />
        <Textarea
          aria-label={t("playground.editMessage")}
          autosize
          minRows={2}
          maxRows={14}
          autoFocus
          value={draft}
          onChange={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (isSend(event)) {
              event.preventDefault();
              ask();
            } else if (event.key === "Escape") {
              event.stopPropagation();
              setDraft(null);
            }
          }}
        />
        <Group justify="space-between" gap="xs" mt="xs">
          <Text size="xs" c="dimmed">{t("playground.editHint")}</Text>
          <Group gap="xs">
            <Button size="xs" variant="default" onClick={() => setDraft(null)}>{t("shared.action.cancel")}</Button>
            <Button size="xs" disabled={busy || (!draft.trim() && turn.attachments.length === 0)} onClick={ask}>{t("playground.sendAgain")}</Button>
          </Group>
        </Group>
      </div>
    );
  }
  return (
    <div className={classes.question}>
      <div className={classes.bubble}>
        <AttachmentList attachments={turn.attachments} />
        {turn.text && <Text size="sm" className={classes.asked}>{turn.text}</Text>}
      </div>
      <Group gap={2} justify="flex-end">
        {turn.text && <CopyButton value={turn.text} label={t("playground.copyMessage")} />}
        <Tooltip label={t("playground.editMessage")}>
          <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("playground.editMessage")} disabled={busy} onClick={() => setDraft(turn.text)}><IconEdit size={15} /></ActionIcon>
        </Tooltip>
        <Tooltip label={t("playground.deleteTurn")}>
          <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("playground.deleteTurn")} onClick={onDelete}><IconTrash size={15} /></ActionIcon>
        </Tooltip>
      </Group>
    </div>
  );
}
