// Priority and weight of one channel, changed in place.
import { Group, Modal, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { InlineNumber } from "@/shared/components/InlineNumber";
import type { ChannelHealth } from "../api/health";

interface AdjustDialogProps {
  channel: ChannelHealth | undefined;
  onClose: () => void;
  onSave: (channel: ChannelHealth, change: { priority?: number; weight?: number }) => void;
}
export function AdjustDialog({ channel, onClose, onSave }: AdjustDialogProps) {
  const { t } = useTranslation();
  return (
    <Modal opened={channel !== undefined} onClose={onClose} title={channel?.name} size="sm">
      {channel && (
        <Stack gap="sm">
          <Text size="sm" c="dimmed">{t("health.adjustHint")}</Text>
          <Group justify="space-between"><Text size="sm" fw={500}>{t("health.column.priority")}</Text><InlineNumber label={t("health.priorityOf", { name: channel.name })} value={channel.priority} onSave={(priority) => onSave(channel, { priority })} /></Group>
          <Group justify="space-between"><Text size="sm" fw={500}>{t("health.column.weight")}</Text><InlineNumber label={t("health.weightOf", { name: channel.name })} min={0} value={channel.weight} onSave={(weight) => onSave(channel, { weight })} /></Group>
        </Stack>
      )}
    </Modal>
  );
}
