// What is unsaved, what keeps it from being saved, and both ways out; stays in view.
import { Affix, Button, Group, Paper, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

interface SaveBarProps {
  changed: number;
  wrong: string[]; // names of settings with a mistake
  conflicts: string[]; // names of settings that somebody else changed
  isSaving: boolean;
  onDiscard: () => void;
  onSave: () => void;
}
export function SaveBar({ changed, wrong, conflicts, isSaving, onDiscard, onSave }: SaveBarProps) {
  const { t } = useTranslation();
  const text = wrong.length ? t("settings.mend", { keys: wrong.join(", ") }) : conflicts.length ? t("settings.conflict.decide", { keys: conflicts.join(", ") }) : t("settings.unsaved", { count: changed });
  return (
    <Affix position={{ bottom: 16, right: 16 }} maw="calc(100vw - 32px)">
      <Paper shadow="lg" withBorder p="sm">
        <Group gap="sm" justify="flex-end">
          <Text size="sm" aria-live="polite">{text}</Text>
          <Button variant="default" size="sm" onClick={onDiscard}>{t("settings.discard")}</Button>
          <Button size="sm" disabled={wrong.length + conflicts.length > 0} loading={isSaving} onClick={onSave}>{t("shared.action.save")}</Button>
        </Group>
      </Paper>
    </Affix>
  );
}
