// Files of a message: pictures as small pictures, others by name.
import { ActionIcon, Group, Text } from "@mantine/core";
import { IconFileText, IconPhotoOff, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Attachment } from "../api/conversation";
import classes from "./Playground.module.css";

export function AttachmentList({ attachments, onRemove }: { attachments: readonly Attachment[]; onRemove?: (index: number) => void }) {
  const { t } = useTranslation();
  if (attachments.length === 0) return null;
  return (
    <Group gap={6} mb={6} component="ul" className={classes.files} aria-label={t("playground.files")}>
      {attachments.map((one, index) => (
        <li key={`${one.name} ${index}`} className={classes.file}>
          {one.kind === "image" && one.data ? (
            <img src={one.data} alt={one.name} className={classes.picture} />
          ) : (
            <Group gap={6} wrap="nowrap" px={8} className={classes.document} title={one.data ? undefined : t("playground.fileGone")}>
              {one.data ? <IconFileText size={16} aria-hidden /> : <IconPhotoOff size={16} aria-hidden />}
              <Text size="xs" truncate>{one.name}</Text>
            </Group>
          )}
          {onRemove && (
            <ActionIcon size="xs" radius="xl" variant="filled" color="dark" className={classes.removeFile} aria-label={t("playground.removeFile", { name: one.name })} onClick={() => onRemove(index)}>
              <IconX size={11} />
            </ActionIcon>
          )}
        </li>
      ))}
    </Group>
  );
}
