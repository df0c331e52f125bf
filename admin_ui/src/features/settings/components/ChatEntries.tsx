// Chat clients as a table: name, template, what it becomes, order; or the JSON behind it.
import { ActionIcon, Button, Group, Input, Paper, SegmentedControl, Stack, Text, Textarea, TextInput, Tooltip } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconPlus, IconTrash } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { checkEntry, type ChatEntry, move, preview, readEntries, writeEntries } from "../api/chat-entries";

interface ChatEntriesProps {
  label: string;
  description: string;
  value: string; // JSON
  error: ReactNode;
  onChange: (value: string) => void;
}

export function ChatEntries({ label, description, value, error, onChange }: ChatEntriesProps) {
  const { t } = useTranslation();
  const entries = readEntries(value);
  const [view, setView] = useState("table");
  const write = (next: ChatEntry[]) => onChange(writeEntries(next));
  const change = (index: number, part: Partial<ChatEntry>) => entries && write(entries.map((one, place) => (place === index ? { ...one, ...part } : one)));
  return (
    <Input.Wrapper label={label} description={description} error={error} labelElement="div">
      <SegmentedControl my={6} size="xs" aria-label={t("settings.viewOf", { name: label })} value={entries ? view : "json"} onChange={setView} data={[{ value: "table", label: t("settings.asTable"), disabled: !entries }, { value: "json", label: t("settings.asJson") }]} />
      {view === "json" || !entries ? (
        <Textarea aria-label={label} autosize minRows={4} maxRows={16} styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }} value={value} onChange={(event) => onChange(event.currentTarget.value)} />
      ) : (
        <Stack gap="xs">
          {entries.map((entry, index) => {
            const problem = checkEntry(entries, index);
            return (
              <Paper key={index} withBorder p="xs" radius="md">
                <Group gap="xs" align="flex-start">
                  <TextInput size="xs" w={190} aria-label={t("settings.chat.nameOf", { number: index + 1 })} placeholder={t("settings.chat.name")} value={entry.name} error={problem === "name" || problem === "twice" ? t(`settings.chat.problem.${problem}`) : null} onChange={(event) => change(index, { name: event.currentTarget.value })} />
                  <TextInput size="xs" style={{ flex: 1, minWidth: 220 }} aria-label={t("settings.chat.templateOf", { name: entry.name })} placeholder={t("settings.chat.template")} value={entry.template} error={problem === "link" ? t("settings.chat.problem.link") : null} onChange={(event) => change(index, { template: event.currentTarget.value })} />
                  <Group gap={2} wrap="nowrap">
                    <Tooltip label={t("settings.chat.up")}><ActionIcon variant="subtle" color="gray" disabled={index === 0} aria-label={t("settings.chat.upOf", { name: entry.name })} onClick={() => write(move(entries, index, -1))}><IconArrowUp size={15} /></ActionIcon></Tooltip>
                    <Tooltip label={t("settings.chat.down")}><ActionIcon variant="subtle" color="gray" disabled={index === entries.length - 1} aria-label={t("settings.chat.downOf", { name: entry.name })} onClick={() => write(move(entries, index, 1))}><IconArrowDown size={15} /></ActionIcon></Tooltip>
                    <ActionIcon variant="subtle" color="red" aria-label={t("settings.removeOf", { name: entry.name })} onClick={() => write(entries.filter((_, place) => place !== index))}><IconTrash size={15} /></ActionIcon>
                  </Group>
                </Group>
                <Text size="xs" c={problem === "unknown" ? "var(--warn)" : "dimmed"} mt={4} style={{ overflowWrap: "anywhere" }}>
                  {problem === "unknown" ? t("settings.chat.problem.unknown") : preview(entry.template)}
                </Text>
              </Paper>
            );
          })}
          <Group>
            <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} onClick={() => write([...entries, { name: "", template: "https://" }])}>{t("settings.chat.add")}</Button>
            <Text size="xs" c="dimmed">{t("settings.chat.placeholders")}</Text>
          </Group>
        </Stack>
      )}
    </Input.Wrapper>
  );
}
