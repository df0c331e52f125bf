// Where the next message is written: text, files by choosing, pasting or dropping, send and stop.
import { ActionIcon, Button, Card, FileButton, Group, Textarea, Tooltip } from "@mantine/core";
import { IconPaperclip, IconPlayerStop, IconSend } from "@tabler/icons-react";
import { type DragEvent, type KeyboardEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNotify } from "@/shared/hooks/useNotify";
import { ACCEPTED, ATTACHMENTS_MAX, readAttachment, UnusableFile } from "../api/attachments";
import type { Attachment } from "../api/conversation";
import { AttachmentList } from "./AttachmentList";
import classes from "./Playground.module.css";

/** Enter sends; with Shift it is a new line; in an input method it chooses a word. */
export const isSend = (event: KeyboardEvent): boolean => event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing;

export interface Draft {
  text: string;
  attachments: Attachment[];
}
interface ComposerProps {
  draft: Draft;
  onDraft: (change: (draft: Draft) => Draft) => void;
  busy: boolean;
  ready: boolean; // there is a model to ask
  onSend: (draft: Draft) => void;
  onStop: () => void;
}
export function Composer({ draft, onDraft, busy, ready, onSend, onStop }: ComposerProps) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [over, setOver] = useState(false);
  const maySend = ready && !busy && (draft.text.trim() !== "" || draft.attachments.length > 0);
  const add = async (files: readonly File[]) => {
    for (const file of files) {
      try {
        const attachment = await readAttachment(file);
        onDraft((held) => ({ ...held, attachments: [...held.attachments, attachment].slice(0, ATTACHMENTS_MAX) }));
      } catch (error) {
        notify.error(error instanceof UnusableFile ? new Error(t(`playground.unusable.${error.reason}`, { name: error.file })) : error);
      }
    }
  };
  const onDrop = (event: DragEvent) => {
    setOver(false);
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    void add([...event.dataTransfer.files]);
  };
  const send = () => maySend && onSend({ ...draft, text: draft.text.trim() });
  return (
    <div
      className={classes.composer}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <Card withBorder p="xs" shadow="sm">
        <AttachmentList attachments={draft.attachments} onRemove={(index) => onDraft((held) => ({ ...held, attachments: held.attachments.filter((_, at) => at !== index) }))} />
        <Group align="flex-end" gap="xs" wrap="nowrap">
          <FileButton multiple accept={ACCEPTED} onChange={(files) => void add(files)}>
            {(props) => (
              <Tooltip label={t("playground.attach")}>
                <ActionIcon {...props} variant="subtle" color="gray" size={36} aria-label={t("playground.attach")}><IconPaperclip size={18} /></ActionIcon>
              </Tooltip>
            )}
          </FileButton>
          <Textarea
            style={{ flex: 1 }}
            aria-label={t("playground.prompt")}
            placeholder={t("playground.promptHint")}
            autosize
            minRows={1}
            maxRows={10}
            value={draft.text}
            onChange={(event) => {
              const text = event.currentTarget.value;
              onDraft((held) => ({ ...held, text }));
            }}
            onPaste={(event) => {
              const files = [...event.clipboardData.files];
              if (files.length === 0) return;
              event.preventDefault();
              void add(files);
            }}
            onKeyDown={(event) => {
              if (!isSend(event)) return;
              event.preventDefault();
              send();
            }}
          />
          {busy ? (
            <Button color="red" leftSection={<IconPlayerStop size={16} />} onClick={onStop}>{t("playground.stop")}</Button>
          ) : (
            <Button leftSection={<IconSend size={16} />} disabled={!maySend} onClick={send}>{t("playground.send")}</Button>
          )}
        </Group>
      </Card>
    </div>
  );
}
