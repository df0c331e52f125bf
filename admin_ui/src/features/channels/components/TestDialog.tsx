// Tests one channel, model by model or all of them, plain or streamed.
import { Badge, Button, Group, Modal, ScrollArea, Stack, Switch, Table, Text, TextInput } from "@mantine/core";
import { IconCheck, IconSearch, IconX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import type { Channel } from "@/shared/api/types";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { useFormat } from "@/shared/format/useFormat";
import { CHANNELS, testChannel, type TestResult } from "../api/channels";

export function TestDialog({ channel, onClose }: { channel: Channel; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const [filter, setFilter] = useState("");
  const [stream, setStream] = useState(false);
  const [results, setResults] = useState<Record<string, TestResult | "running">>({});
  const models = splitList(channel.models).filter((model) => model.toLowerCase().includes(filter.toLowerCase()));
  const busy = Object.values(results).includes("running");

  const run = async (model: string) => {
    setResults((previous) => ({ ...previous, [model]: "running" }));
    const result = await testChannel(channel.id, model, stream);
    setResults((previous) => ({ ...previous, [model]: result }));
    void queries.invalidateQueries({ queryKey: CHANNELS });
  };
  const runAll = async () => {
    for (const model of models) await run(model);
  };
  return (
    <Modal opened onClose={onClose} title={t("channels.test.title", { name: channel.name })} size="lg">
      <Stack gap="sm">
        <Group justify="space-between">
          <TextInput style={{ flex: 1 }} leftSection={<IconSearch size={16} />} aria-label={t("channels.test.filter")} placeholder={t("channels.test.filter")} value={filter} onChange={(event) => setFilter(event.currentTarget.value)} />
          <Switch label={t("channels.test.stream")} checked={stream} onChange={(event) => setStream(event.currentTarget.checked)} />
          <Button loading={busy} onClick={() => void runAll()}>
            {t("channels.test.all")}
          </Button>
        </Group>
        <ScrollArea.Autosize mah={420} viewportProps={{ tabIndex: 0, role: "region", "aria-label": t("channels.test.title", { name: channel.name }) }}>
          <Table verticalSpacing={6}>
            <Table.Tbody>
              {models.map((model) => {
                const result = results[model];
                return (
                  <Table.Tr key={model}>
                    <Table.Td>
                      <Text size="sm">{model}</Text>
                      {result && result !== "running" && !result.success && (
                        <Text size="xs" c="var(--bad)">
                          {result.message}
                        </Text>
                      )}
                    </Table.Td>
                    <Table.Td ta="right">
                      {result && result !== "running" && (
                        <Group gap={6} justify="flex-end" wrap="nowrap">
                          <StatusBadge label={t(result.success ? "channels.test.passed" : "channels.test.failed")} color={result.success ? "teal" : "red"} icon={result.success ? IconCheck : IconX} />
                          {result.success && <Badge color="gray">{format.ms(result.time * 1000)}</Badge>}
                        </Group>
                      )}
                    </Table.Td>
                    <Table.Td w={90} ta="right">
                      <Button size="compact-sm" variant="default" loading={result === "running"} onClick={() => void run(model)} aria-label={t("channels.test.one", { model })}>
                        {t("channels.action.test")}
                      </Button>
                    </Table.Td>
                  </Table.Tr>
                );
              })}
            </Table.Tbody>
          </Table>
        </ScrollArea.Autosize>
      </Stack>
    </Modal>
  );
}
