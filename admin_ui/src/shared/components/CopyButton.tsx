// Copies a text and says so.
import { ActionIcon, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "../domain/clipboard";

const SHOWN_MS = 1500;

export function CopyButton({ value, label, size = "sm" }: { value: string; label?: string; size?: "xs" | "sm" | "md" }) {
  const { t } = useTranslation();
  const [copies, setCopies] = useState(0); // counted, so that a second click shows its own moment
  useEffect(() => {
    if (copies === 0) return;
    const timer = window.setTimeout(() => setCopies(0), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [copies]);
  const copied = copies > 0;
  const copy = () => void copyText(value).then(() => setCopies((count) => count + 1), () => setCopies(0));
  const name = copied ? t("shared.action.copied") : (label ?? t("shared.action.copy"));
  return (
    <Tooltip label={name}>
      <ActionIcon variant="subtle" color={copied ? "teal" : "gray"} size={size} aria-label={name} onClick={copy}>
        {copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
      </ActionIcon>
    </Tooltip>
  );
}
