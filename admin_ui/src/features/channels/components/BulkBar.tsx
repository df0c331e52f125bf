// What can be done with the selected channels, and the report of how it went.
import { Badge, Button, Group, Menu, Modal, NumberInput, Progress, Stack, Table, TagsInput, Text, TextInput } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import { runEach } from "@/shared/api/run-each";
import type { BulkReport, Channel } from "@/shared/api/types";
import { useNotify } from "@/shared/hooks/useNotify";
import { CHANNELS, tagChannels, testChannel, updateBalance, updateChannel } from "../api/channels";

type Edit = "tag" | "priority" | "weight" | "addModels" | "removeModels" | "addGroups" | "removeGroups";
const EDITS: Edit[] = ["tag", "priority", "weight", "addModels", "removeModels", "addGroups", "removeGroups"];

interface BulkBarProps {
  channels: Channel[]; // the selected ones
  onDelete: () => void;
  onDone: () => void;
}
export function BulkBar({ channels, onDelete, onDone }: BulkBarProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const notify = useNotify();
  const [edit, setEdit] = useState<Edit | null>(null);
  const [text, setText] = useState("");
  const [list, setList] = useState<string[]>([]);
  const [number, setNumber] = useState(0);
  const [progress, setProgress] = useState<number | null>(null);
  const [report, setReport] = useState<BulkReport | null>(null);
  const ids = channels.map((channel) => channel.id);

  const each = async (run: (channel: Channel) => Promise<unknown>) => {
    const byId = new Map(channels.map((channel) => [channel.id, channel]));
    setProgress(0);
    const result = await runEach(ids, (id) => run(byId.get(id)!), setProgress);
    setProgress(null);
    void queries.invalidateQueries({ queryKey: CHANNELS });
    if (result.failed.length === 0) notify.success(t("channels.bulk.done", { count: result.succeeded.length }));
    else setReport(result);
    onDone();
  };
  const setStatus = (status: number) => each((channel) => updateChannel({ id: channel.id, status }));
  const test = () =>
    each(async (channel) => {
      const result = await testChannel(channel.id);
      if (!result.success) throw new Error(result.message);
    });
  const balance = () => each((channel) => updateBalance(channel.id));

  const applyEdit = async () => {
    const kind = edit;
    setEdit(null);
    if (kind === "tag") {
      try {
        await tagChannels(ids, text.trim() || null);
        notify.success(t("channels.bulk.done", { count: ids.length }));
        void queries.invalidateQueries({ queryKey: CHANNELS });
        onDone();
      } catch (error) {
        notify.error(error);
      }
      return;
    }
    await each((channel) => {
      const merge = (current: string, add: boolean) => {
        const have = splitList(current);
        return (add ? [...new Set([...have, ...list])] : have.filter((item) => !list.includes(item))).join(",");
      };
      const changes: Record<Exclude<Edit, "tag">, Partial<Channel>> = {
        priority: { priority: number },
        weight: { weight: number },
        addModels: { models: merge(channel.models, true) },
        removeModels: { models: merge(channel.models, false) },
        addGroups: { group: merge(channel.group, true) },
        removeGroups: { group: merge(channel.group, false) },
      };
      const change = changes[kind as Exclude<Edit, "tag">];
      if (change.models === "" || change.group === "") throw new Error(t("channels.bulk.nothingLeft"));
      const vertex = channel.type === 41 ? { type: 41, other: channel.other } : {}; // the server asks for both on every change
      return updateChannel({ id: channel.id, ...vertex, ...change });
    });
  };
  const names = new Map(channels.map((channel) => [channel.id, channel.name]));
  return (
    <>
      {channels.length > 0 && (
        <Group gap="xs" wrap="wrap">
          <Badge size="lg" circle={channels.length < 10}>
            {channels.length}
          </Badge>
          <Button size="xs" variant="default" onClick={() => void setStatus(1)}>
            {t("shared.action.enable")}
          </Button>
          <Button size="xs" variant="default" onClick={() => void setStatus(2)}>
            {t("shared.action.disable")}
          </Button>
          <Button size="xs" variant="default" onClick={() => void test()}>
            {t("channels.action.test")}
          </Button>
          <Menu shadow="md">
            <Menu.Target>
              <Button size="xs" variant="default" rightSection={<IconChevronDown size={14} />}>
                {t("shared.action.edit")}
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {EDITS.map((name) => (
                <Menu.Item
                  key={name}
                  onClick={() => {
                    setText("");
                    setList([]);
                    setNumber(0);
                    setEdit(name);
                  }}
                >
                  {t(`channels.bulk.${name}`)}
                </Menu.Item>
              ))}
              <Menu.Item onClick={() => void balance()}>{t("channels.action.balance")}</Menu.Item>
            </Menu.Dropdown>
          </Menu>
          <Button size="xs" variant="light" color="red" onClick={onDelete}>
            {t("shared.action.delete")}
          </Button>
        </Group>
      )}
      {progress !== null && <Progress value={(progress / Math.max(1, ids.length)) * 100} w={120} animated aria-label={t("channels.bulk.progress")} />}
      <Modal opened={edit !== null} onClose={() => setEdit(null)} title={edit ? t(`channels.bulk.${edit}`) : ""}>
        <Stack>
          <Text size="sm" c="dimmed">
            {t("channels.bulk.affects", { count: ids.length })}
          </Text>
          {edit === "tag" && <TextInput data-autofocus label={t("channels.field.tag")} description={t("channels.bulk.emptyTag")} value={text} onChange={(event) => setText(event.currentTarget.value)} />}
          {(edit === "priority" || edit === "weight") && <NumberInput data-autofocus label={t(`channels.field.${edit}`)} {...(edit === "weight" ? { min: 0 } : {})} allowDecimal={false} value={number} onChange={(value) => setNumber(Number(value) || 0)} />}
          {edit?.endsWith("Models") && <TagsInput data-autofocus label={t("channels.field.models")} value={list} onChange={setList} splitChars={[",", "\n"]} />}
          {edit?.endsWith("Groups") && <TagsInput data-autofocus label={t("channels.field.groups")} value={list} onChange={setList} splitChars={[","]} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => setEdit(null)}>
              {t("shared.action.cancel")}
            </Button>
            <Button disabled={(edit?.endsWith("s") ?? false) && list.length === 0} onClick={() => void applyEdit()}>
              {t("shared.action.apply")}
            </Button>
          </Group>
        </Stack>
      </Modal>
      <Modal opened={report !== null} onClose={() => setReport(null)} title={t("channels.bulk.report")} size="lg">
        {report && (
          <Stack>
            <Text size="sm">{t("channels.bulk.summary", { done: report.succeeded.length, failed: report.failed.length })}</Text>
            <Table>
              <Table.Tbody>
                {report.failed.map((failure) => (
                  <Table.Tr key={failure.id}>
                    <Table.Td>{names.get(failure.id) ?? `#${failure.id}`}</Table.Td>
                    <Table.Td c="red">{failure.message}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Stack>
        )}
      </Modal>
    </>
  );
}
