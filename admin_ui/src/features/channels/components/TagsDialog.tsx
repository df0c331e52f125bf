// Channels by tag: switch a whole tag on or off, change what its channels share.
import { Button, Group, Modal, NumberInput, Skeleton, Stack, Table, TagsInput, Text, TextInput } from "@mantine/core";
import { IconTags } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Channel } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { JsonField } from "@/shared/components/JsonField";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { allChannelsQuery, CHANNELS, editTag, setTagEnabled, type TagEdit } from "../api/channels";

interface TagRow {
  tag: string;
  channels: number;
  enabled: number;
  used: number;
}
export function tagsOf(channels: readonly Channel[]): TagRow[] {
  const rows = new Map<string, TagRow>();
  for (const channel of channels) {
    if (!channel.tag) continue;
    const row = rows.get(channel.tag) ?? { tag: channel.tag, channels: 0, enabled: 0, used: 0 };
    rows.set(channel.tag, { ...row, channels: row.channels + 1, enabled: row.enabled + (channel.status === 1 ? 1 : 0), used: row.used + channel.used_quota });
  }
  return [...rows.values()].sort((a, b) => a.tag.localeCompare(b.tag));
}

export function TagsDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const channels = useQuery(allChannelsQuery);
  const [editing, setEditing] = useState<string | null>(null);
  const toggle = useAction({ run: ({ tag, on }: { tag: string; on: boolean }) => setTagEnabled(tag, on), done: t("channels.tags.changed"), refresh: [CHANNELS] });
  const rows = tagsOf(channels.data ?? []);
  return (
    <Modal opened onClose={onClose} title={t("channels.tags.title")} size="lg">
      {channels.isPending ? (
        <Skeleton h={160} />
      ) : channels.isError ? (
        <ErrorState error={channels.error} onRetry={() => void channels.refetch()} />
      ) : rows.length === 0 ? (
        <EmptyState icon={IconTags} message={t("channels.tags.empty")} hint={t("channels.tags.emptyHint")} />
      ) : editing ? (
        <TagEditor tag={editing} onClose={() => setEditing(null)} />
      ) : (
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("channels.field.tag")}</Table.Th>
              <Table.Th>{t("channels.tags.channels")}</Table.Th>
              <Table.Th>{t("channels.column.used")}</Table.Th>
              <Table.Th />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.tag}>
                <Table.Td fw={600}>{row.tag}</Table.Td>
                <Table.Td>{t("channels.tags.enabledOf", { enabled: row.enabled, total: row.channels })}</Table.Td>
                <Table.Td>{format.quota(row.used)}</Table.Td>
                <Table.Td>
                  <Group gap={4} justify="flex-end" wrap="nowrap">
                    <Button size="compact-sm" variant="default" onClick={() => toggle.mutate({ tag: row.tag, on: true })}>
                      {t("shared.action.enable")}
                    </Button>
                    <Button size="compact-sm" variant="default" onClick={() => toggle.mutate({ tag: row.tag, on: false })}>
                      {t("shared.action.disable")}
                    </Button>
                    <Button size="compact-sm" variant="light" onClick={() => setEditing(row.tag)}>
                      {t("shared.action.edit")}
                    </Button>
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Modal>
  );
}

function TagEditor({ tag, onClose }: { tag: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(tag);
  const [models, setModels] = useState<string[]>([]);
  const [groups, setGroups] = useState<string[]>([]);
  const [mapping, setMapping] = useState("");
  const [priority, setPriority] = useState<number | string>("");
  const [weight, setWeight] = useState<number | string>("");
  const changes: TagEdit = {
    tag,
    ...(name === tag ? {} : { new_tag: name.trim() }),
    ...(models.length ? { models: models.join(",") } : {}),
    ...(groups.length ? { groups: groups.join(",") } : {}),
    ...(mapping.trim() ? { model_mapping: mapping.trim() } : {}),
    ...(priority === "" ? {} : { priority: Number(priority) }),
    ...(weight === "" ? {} : { weight: Number(weight) }),
  };
  const save = useAction({ run: () => editTag(changes), done: t("channels.tags.changed"), refresh: [CHANNELS], onDone: onClose });
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t("channels.tags.hint")}
      </Text>
      <TextInput label={t("channels.tags.newName")} description={t("channels.bulk.emptyTag")} value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <TagsInput label={t("channels.field.models")} value={models} onChange={setModels} splitChars={[",", "\n"]} />
      <TagsInput label={t("channels.field.groups")} value={groups} onChange={setGroups} splitChars={[","]} />
      <Group grow>
        <NumberInput label={t("channels.field.priority")} allowDecimal={false} value={priority} onChange={setPriority} />
        <NumberInput label={t("channels.field.weight")} min={0} allowDecimal={false} value={weight} onChange={setWeight} />
      </Group>
      <JsonField label={t("channels.field.model_mapping")} value={mapping} onChange={setMapping} template={{ "gpt-4o": "gpt-4o-2024-11-20" }} />
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          {t("shared.action.cancel")}
        </Button>
        <Button loading={save.isPending} disabled={Object.keys(changes).length === 1} onClick={() => save.mutate()}>
          {t("shared.action.save")}
        </Button>
      </Group>
    </Stack>
  );
}
