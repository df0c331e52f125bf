// Errors by class as one thin stacked bar, with the figures in words behind it.
import { Box, Text, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { ERROR_CLASSES } from "../api/health";

const COLORS: Record<string, string> = {
  auth: "red.7", quota: "pink.6", rate_limit: "orange.5", timeout: "yellow.5", connect: "grape.5", server: "red.5", bad_response: "indigo.5", content_filter: "cyan.5", model_missing: "blue.5", other: "gray.5",
};

export function useErrorClassName(): (name: string) => string {
  const { t, i18n } = useTranslation();
  return (name) => (i18n.exists(`health.errorClass.${name}`) ? t(`health.errorClass.${name}`) : name);
}

export function ErrorBar({ errors }: { errors: Partial<Record<string, number>> }) {
  const name = useErrorClassName();
  const order = (key: string) => ERROR_CLASSES.indexOf(key as (typeof ERROR_CLASSES)[number]);
  const entries = Object.entries(errors).filter((entry): entry is [string, number] => (entry[1] ?? 0) > 0).sort((a, b) => order(a[0]) - order(b[0]));
  if (entries.length === 0) return <Text size="sm" c="dimmed">–</Text>;
  const total = entries.reduce((sum, [, count]) => sum + count, 0);
  const words = entries.map(([key, count]) => `${name(key)} ${count}`).join(" · ");
  const top = entries.reduce((a, b) => (b[1] > a[1] ? b : a));
  return (
    <Tooltip label={words} multiline maw={320}>
      <Box tabIndex={0} aria-label={words} role="img">
        <Text size="xs" truncate mb={3}>
          {name(top[0])}
        </Text>
        <Box style={{ display: "flex", height: 5, borderRadius: 3, overflow: "hidden" }}>
          {entries.map(([key, count]) => (
            <Box key={key} bg={COLORS[key] ?? "gray.5"} style={{ width: `${(count / total) * 100}%` }} />
          ))}
        </Box>
      </Box>
    </Tooltip>
  );
}
