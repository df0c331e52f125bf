// The conversations kept in this browser: open one, start a new one, take one out as a file, delete.
import { ActionIcon, Menu, ScrollArea, Text, Tooltip } from "@mantine/core";
import { IconFileText, IconHistory, IconJson, IconPlus, IconTrash, IconTrashX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { downloadText } from "@/shared/format/download";
import { useFormat } from "@/shared/format/useFormat";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { type Conversation, titleOf } from "../api/conversation";
import { markdownOf } from "../api/export";

interface HistoryMenuProps {
  kept: readonly Conversation[];
  current: Conversation;
  onShow: (conversation: Conversation) => void;
  onStart: () => void;
  onRemove: (id: string) => void;
  onClear: () => void;
}
export function HistoryMenu({ kept, current, onShow, onStart, onRemove, onClear }: HistoryMenuProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const confirm = useConfirm();
  const isEmpty = current.turns.length === 0;
  const nameOf = (one: Conversation) => titleOf(one) || t("playground.untitled");
  const file = `playground-${format.time(current.changed / 1000).slice(0, 10)}`;
  return (
    <>
      <Tooltip label={t("playground.start")}>
        <ActionIcon variant="default" size={36} aria-label={t("playground.start")} disabled={isEmpty} onClick={onStart}><IconPlus size={18} /></ActionIcon>
      </Tooltip>
      <Menu position="bottom-end" shadow="md" width={300}>
        <Menu.Target>
          <Tooltip label={t("playground.history")}>
            <ActionIcon variant="default" size={36} aria-label={t("playground.history")}><IconHistory size={18} /></ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{t("playground.keptHere")}</Menu.Label>
          <ScrollArea.Autosize mah={280} type="auto">
            {kept.length === 0 && <Text size="sm" c="dimmed" px="sm" py={4}>{t("playground.nothingKept")}</Text>}
            {kept.map((one) => (
              <Menu.Item key={one.id} aria-current={one.id === current.id || undefined} fw={one.id === current.id ? 650 : undefined} onClick={() => one.id !== current.id && onShow(one)}>
                <Text size="sm" truncate inherit>{nameOf(one)}</Text>
                <Text size="xs" c="dimmed">{format.ago(one.changed / 1000)}</Text>
              </Menu.Item>
            ))}
          </ScrollArea.Autosize>
          <Menu.Divider />
          <Menu.Label>{t("playground.thisOne")}</Menu.Label>
          <Menu.Item leftSection={<IconFileText size={16} />} disabled={isEmpty} onClick={() => downloadText(`${file}.md`, markdownOf(current), "text/markdown")}>{t("playground.exportMarkdown")}</Menu.Item>
          <Menu.Item leftSection={<IconJson size={16} />} disabled={isEmpty} onClick={() => downloadText(`${file}.json`, JSON.stringify(current, null, 2), "application/json")}>{t("playground.exportJson")}</Menu.Item>
          <Menu.Item leftSection={<IconTrash size={16} />} color="red" disabled={isEmpty} onClick={() => onRemove(current.id)}>{t("playground.clear")}</Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<IconTrashX size={16} />} color="red" disabled={kept.length === 0} onClick={() => confirm({ title: t("playground.clearAllTitle"), message: t("playground.clearAllHint"), danger: true, confirmLabel: t("playground.clearAll"), onConfirm: onClear })}>{t("playground.clearAll")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
