// Channels from a JSON file (an export of this page, with keys filled in): shows what will be created, then a result per row.
import { Alert, Button, FileInput, Group, Modal, Progress, Stack, Table, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { runEach } from "@/shared/api/run-each";
import type { BulkReport, Channel } from "@/shared/api/types";
import { channelTypeName } from "@/shared/domain/channel-types";
import { CHANNELS, createChannel } from "../api/channels";

/** The rows of an import file; throws when it is not a list of channels. */
export function readImport(text: string): Partial<Channel>[] {
  const value: unknown = JSON.parse(text);
  const rows = Array.isArray(value) ? value : (value as { channels?: unknown }).channels;
  if (!Array.isArray(rows) || rows.some((row) => typeof row !== "object" || row === null || typeof (row as Channel).name !== "string" || typeof (row as Channel).type !== "number")) {
    throw new Error("not a list of channels");
  }
  return rows.map(({ id: _id, used_quota: _used, created_time: _created, test_time: _test, response_time: _time, balance: _balance, ...rest }: Partial<Channel>) => rest);
}

export function ImportDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [rows, setRows] = useState<Partial<Channel>[]>([]);
  const [bad, setBad] = useState(false);
  const [done, setDone] = useState<number | null>(null);
  const [report, setReport] = useState<BulkReport | null>(null);
  const read = async (file: File | null) => {
    setReport(null);
    setBad(false);
    try {
      setRows(file ? readImport(await file.text()) : []);
    } catch {
      setRows([]);
      setBad(true);
    }
  };
  const withoutKey = rows.filter((row) => !row.key).length;
  const run = async () => {
    setDone(0);
    setReport(
      await runEach(
        rows.map((_, index) => index),
        (index) => createChannel(rows[index]!),
        setDone,
      ),
    );
    void queries.invalidateQueries({ queryKey: CHANNELS });
  };
  const failures = new Map(report?.failed.map((failure) => [failure.id, failure.message]));
  return (
    <Modal opened onClose={onClose} title={t("channels.import.title")} size="lg">
      <Stack>
        <FileInput label={t("channels.import.file")} description={t("channels.import.hint")} accept="application/json,.json" clearable onChange={(file) => void read(file)} />
        {bad && <Alert color="red">{t("channels.import.bad")}</Alert>}
        {withoutKey > 0 && !report && <Alert color="yellow">{t("channels.import.noKey", { count: withoutKey })}</Alert>}
        {rows.length > 0 && (
          <Table.ScrollContainer minWidth={360} mah={320}>
            <Table>
              <Table.Tbody>
                {rows.map((row, index) => (
                  <Table.Tr key={index}>
                    <Table.Td>{row.name}</Table.Td>
                    <Table.Td>{channelTypeName(row.type ?? 0)}</Table.Td>
                    <Table.Td>{report && <Text size="sm" c={failures.has(index) ? "red" : "teal"}>{failures.get(index) ?? t("channels.import.created")}</Text>}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
        {done !== null && !report && <Progress value={(done / rows.length) * 100} animated aria-label={t("channels.bulk.progress")} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t("shared.action.close")}
          </Button>
          <Button disabled={rows.length === 0 || report !== null} loading={done !== null && !report} onClick={() => void run()}>
            {t("channels.import.run", { count: rows.length })}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
