// One model's side of the conversation: its answers as they arrive, thoughts folded away, time and tokens below.
import { ActionIcon, Alert, Box, Card, Group, Loader, ScrollArea, Spoiler, Stack, Text } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/shared/components/CopyButton";
import { SafeHtml } from "@/shared/components/SafeHtml";
import { useFormat } from "@/shared/format/useFormat";
import { useErrorText } from "@/shared/hooks/useErrorText";
import type { Message } from "../api/chat";

export interface Lane {
  model: string;
  messages: Message[]; // finished turns
  text: string; // of the running answer
  thinking: string;
  running: boolean;
  error: unknown;
  firstMs: number | null; // to the first piece of the last answer
  totalMs: number | null;
  usage: { prompt_tokens: number; completion_tokens: number } | null;
}
export const emptyLane = (model: string): Lane => ({ model, messages: [], text: "", thinking: "", running: false, error: null, firstMs: null, totalMs: null, usage: null });

function Bubble({ message }: { message: Message }) {
  const mine = message.role === "user";
  return (
    <Box bg={mine ? "var(--mantine-primary-color-light)" : undefined} px={mine ? "sm" : 0} py={mine ? 6 : 0} style={{ borderRadius: 10, alignSelf: mine ? "flex-end" : "stretch", maxWidth: mine ? "85%" : "100%" }}>
      {mine ? <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{message.content}</Text> : <SafeHtml html={message.content} markdown />}
    </Box>
  );
}

export function Answer({ lane, onRemove }: { lane: Lane; onRemove: (() => void) | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const errorText = useErrorText();
  const last = lane.messages.at(-1);
  const answer = lane.running ? lane.text : last?.role === "assistant" ? last.content : "";
  return (
    <Card withBorder p="sm" style={{ display: "flex", flexDirection: "column", minHeight: 320 }}>
      <Group justify="space-between" wrap="nowrap" mb="xs">
        <Text fw={600} size="sm" truncate>{lane.model}</Text>
        <Group gap={2} wrap="nowrap">
          {lane.running && <Loader size={16} />}
          {answer && <CopyButton value={answer} />}
          {onRemove && <ActionIcon variant="subtle" color="gray" aria-label={t("playground.removeOf", { model: lane.model })} onClick={onRemove}><IconX size={16} /></ActionIcon>}
        </Group>
      </Group>
      <ScrollArea style={{ flex: 1 }} mah={520} type="auto" viewportProps={{ tabIndex: 0, "aria-label": t("playground.conversationOf", { model: lane.model }) }}>
        <Stack gap="sm" aria-live="polite">
          {lane.messages.length === 0 && <Text size="sm" c="dimmed" ta="center" mt={90}>{t("playground.askFirst")}</Text>}
          {lane.messages.map((message, index) => <Bubble key={index} message={message} />)}
          {lane.running && lane.thinking && <Spoiler maxHeight={48} showLabel={t("playground.showThoughts")} hideLabel={t("playground.hideThoughts")}><Text size="xs" c="dimmed" style={{ whiteSpace: "pre-wrap" }}>{lane.thinking}</Text></Spoiler>}
          {lane.running && lane.text && <Bubble message={{ role: "assistant", content: lane.text }} />}
          {lane.error !== null && <Alert color="red" role="alert" p="xs">{errorText(lane.error)}</Alert>}
        </Stack>
      </ScrollArea>
      {(lane.totalMs !== null || lane.usage) && (
        <Text size="xs" c="dimmed" mt="xs" className="num">
          {lane.firstMs !== null && t("playground.first", { time: format.ms(lane.firstMs) })}
          {lane.totalMs !== null && ` · ${format.ms(lane.totalMs)}`}
          {lane.usage && ` · ${t("playground.tokens", { prompt: format.number(lane.usage.prompt_tokens), completion: format.number(lane.usage.completion_tokens) })}`}
        </Text>
      )}
    </Card>
  );
}
