// A view that could not load: what happened, the code and request id for support, and a way to try again.
import { Button, Code, Group, Stack, Text, ThemeIcon } from "@mantine/core";
import { IconCloudOff } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/shared/api/client";
import { useErrorText } from "@/shared/hooks/useErrorText";

export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const text = useErrorText();
  const details = error instanceof ApiError ? [error.code, error.requestId].filter(Boolean) : [];
  return (
    <Stack align="center" gap="xs" py={48} px="md" role="alert">
      <ThemeIcon size={48} radius="xl" variant="light" color="red">
        <IconCloudOff size={26} />
      </ThemeIcon>
      <Text fw={600}>{t("shared.error.title")}</Text>
      <Text c="dimmed" size="sm" ta="center" maw={460}>
        {text(error)}
      </Text>
      {details.length > 0 && (
        <Group gap={6} justify="center">
          {details.map((detail) => (
            <Code key={detail}>{detail}</Code>
          ))}
        </Group>
      )}
      {onRetry && (
        <Button variant="default" mt="xs" onClick={onRetry}>
          {t("shared.action.retry")}
        </Button>
      )}
    </Stack>
  );
}
