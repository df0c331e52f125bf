// Copies a text and says so.
import { ActionIcon, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

export function CopyButton({ value, label, size = "sm" }: { value: string; label?: string; size?: "xs" | "sm" | "md" }) {
  const { t } = useTranslation();
  const clipboard = useClipboard({ timeout: 1500 });
  const name = clipboard.copied ? t("shared.action.copied") : (label ?? t("shared.action.copy"));
  return (
    <Tooltip label={name}>
      <ActionIcon variant="subtle" color={clipboard.copied ? "teal" : "gray"} size={size} aria-label={name} onClick={() => clipboard.copy(value)}>
        {clipboard.copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
      </ActionIcon>
    </Tooltip>
  );
}
