// Channels: the accounts at upstream providers. Find, edit in place, test, group by tag, do things to many at once.
import { ActionIcon, Badge, Button, Group, Menu, Progress, Select, Switch, Text, Tooltip, UnstyledButton } from "@mantine/core";
import {
  IconActivityHeartbeat, IconBan, IconCheck, IconCopy, IconDots, IconDownload, IconEdit, IconPlayerPlay, IconPlugConnected, IconPlus, IconRefresh, IconRouteAltLeft, IconTags, IconTestPipe, IconTool,
  IconTrash, IconUpload, IconPlayerPause, IconPlugConnectedX,
} from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import type { Channel } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable, type RowKey } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { CHANNEL_TYPES, channelTypeColor, channelTypeName } from "@/shared/domain/channel-types";
import { downloadText } from "@/shared/format/download";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { useUndo } from "@/shared/hooks/useUndo";
import {
  allChannels, CHANNELS, copyChannel, deleteChannels, deleteDisabled, disabledReason, groupsQuery, knownModelsQuery, listChannels, repairAbilities, updateAllBalances, updateBalance, updateChannel,
} from "../api/channels";
import { BulkBar } from "../components/BulkBar";
import { ChannelDialog } from "../components/ChannelDialog";
import { ImportDialog } from "../components/ImportDialog";
import { InlineNumber } from "@/shared/components/InlineNumber";
import { TagsDialog } from "../components/TagsDialog";
import { TestDialog } from "../components/TestDialog";
import { useTestRun } from "../components/useTestRun";

const DEFAULTS = { ...LIST_DEFAULTS, keyword: "", group: "", model: "", type: "", status: "", id_sort: false };

function ChannelStatus({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (channel.status === 1) return <StatusBadge label={t("channels.status.enabled")} color="teal" icon={IconCheck} />;
  if (channel.status === 3) {
    const { reason, at } = disabledReason(channel);
    return <StatusBadge label={t("channels.status.auto")} color="red" icon={IconPlugConnectedX} hint={[at ? format.time(at) : "", reason].filter(Boolean).join(" · ")} />;
  }
  return <StatusBadge label={t("channels.status.disabled")} color="gray" icon={IconPlayerPause} />;
}

function ResponseTime({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!channel.test_time) return <Text size="sm" c="dimmed">{t("channels.untested")}</Text>;
  const color = channel.response_time <= 1000 ? "teal" : channel.response_time <= 3000 ? "lime" : channel.response_time <= 5000 ? "yellow" : "red";
  return (
    <Tooltip label={t("channels.testedAt", { time: format.time(channel.test_time) })}>
      <Badge color={color} variant="dot">
        {format.ms(channel.response_time)}
      </Badge>
    </Tooltip>
  );
}

export default function ChannelsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const undo = useUndo();
  const { state, setState, tableProps } = useList({ key: [...CHANNELS, "list"], defaults: DEFAULTS, fetch: listChannels });
  const groups = useQuery(groupsQuery);
  const models = useQuery(knownModelsQuery);
  const [selected, setSelected] = useState<Set<RowKey>>(new Set());
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [editing, setEditing] = useState<{ id?: number } | null>(null);
  const [testing, setTesting] = useState<Channel | null>(null);
  const [dialog, setDialog] = useState<"tags" | "import" | null>(null);
  const testRun = useTestRun();

  const patch = useAction({ run: updateChannel, refresh: [CHANNELS, ["health"]] });
  const balance = useAction({ run: updateBalance, done: (reply) => t("channels.balanceIs", { amount: `$${format.number(reply.balance, 2)}` }), refresh: [CHANNELS] });
  const copy = useAction({ run: copyChannel, done: t("channels.copied"), refresh: [CHANNELS] });
  const balances = useAction({ run: updateAllBalances, done: t("channels.balancesStarted"), refresh: [CHANNELS] });
  const repair = useAction({ run: repairAbilities, done: (count) => t("channels.repaired", { count: Number(count) }), refresh: [CHANNELS] });
  const purge = useAction({ run: deleteDisabled, done: (count) => t("channels.deletedCount", { count: Number(count) }), refresh: [CHANNELS] });
  const remove = useAction({ run: deleteChannels, refresh: [CHANNELS, ["health"]] });
  const exportAll = useAction({
    run: () => allChannels(),
    onDone: (rows) => downloadText("channels.json", JSON.stringify(rows.map(({ key: _key, ...rest }) => rest), null, 2), "application/json"),
  });

  const removeWithUndo = (ids: number[]) => {
    const show = () => setHidden((previous) => new Set([...previous].filter((id) => !ids.includes(id))));
    setHidden((previous) => new Set([...previous, ...ids]));
    setSelected(new Set());
    undo({ message: t("channels.deletedCount", { count: ids.length }), run: () => remove.mutate(ids, { onError: show }), onUndo: show });
  };
  const save = (channel: Channel, change: Partial<Channel>) => {
    const vertex = channel.type === 41 ? { type: 41, other: channel.other } : {}; // the server asks for both on every change
    queries.setQueriesData<{ items: Channel[] }>({ queryKey: [...CHANNELS, "list"] }, (page) => page && { ...page, items: page.items.map((row) => (row.id === channel.id ? { ...row, ...change } : row)) });
    patch.mutate({ id: channel.id, ...vertex, ...change }, { onError: () => void queries.invalidateQueries({ queryKey: CHANNELS }) });
  };

  const columns = useMemo<Column<Channel>[]>(
    () => [
      { id: "id", header: "ID", width: 44, cell: (c) => <Text size="sm" c="dimmed">{c.id}</Text>, sortable: true },
      {
        id: "name", header: t("channels.field.name"), width: 168, fixed: true, phone: "title",
        cell: (c) => (
          <div style={{ minWidth: 0 }}>
            <UnstyledButton onClick={() => setEditing({ id: c.id })} style={{ fontWeight: 600, fontSize: 13.5, maxWidth: "100%", overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap", display: "block" }}>
              {c.name}
            </UnstyledButton>
            <Text size="xs" c="dimmed" truncate>{channelTypeName(c.type)}{c.tag ? ` · ${c.tag}` : ""}</Text>
          </div>
        ),
      },
      { id: "type", header: t("channels.field.type"), width: 140, hidden: true, cell: (c) => <Badge color={channelTypeColor(c.type)}>{channelTypeName(c.type)}</Badge> },
      { id: "status", header: t("channels.column.status"), width: 148, cell: (c) => <ChannelStatus channel={c} /> },
      {
        id: "models", header: t("channels.field.models"), width: 96,
        cell: (c) => {
          const list = splitList(c.models);
          return (
            <Tooltip label={list.slice(0, 30).join(", ")} multiline maw={420}>
              <Text size="sm" truncate tabIndex={0}>
                <span className="num">{list.length}</span> <Text span c="dimmed" size="sm">{list.slice(0, 2).join(", ")}</Text>
              </Text>
            </Tooltip>
          );
        },
      },
      { id: "groups", header: t("channels.field.groups"), width: 112, cell: (c) => <Group gap={4}>{splitList(c.group).map((g) => <Badge key={g} color={g === "vip" || g === "pro" ? "yellow" : "gray"}>{g}</Badge>)}</Group> },
      { id: "response_time", header: t("channels.column.responseTime"), width: 112, cell: (c) => <ResponseTime channel={c} /> },
      { id: "used_quota", header: t("channels.column.used"), width: 80, align: "right", cell: (c) => format.quota(c.used_quota) },
      {
        id: "balance", header: t("channels.column.balance"), width: 82, align: "right",
        cell: (c) => (
          <Tooltip label={c.balance_updated_time ? t("channels.balanceAt", { time: format.time(c.balance_updated_time) }) : t("channels.action.balance")}>
            <UnstyledButton fz={13.5} onClick={() => balance.mutate(c.id)} aria-label={`${format.dollars(c.balance)}, ${t("channels.action.balance")}`}>
              {format.dollars(c.balance)}
            </UnstyledButton>
          </Tooltip>
        ),
      },
      { id: "priority", header: t("channels.field.priority"), width: 84, cell: (c) => <InlineNumber label={t("channels.priorityOf", { name: c.name })} value={c.priority ?? 0} onSave={(priority) => save(c, { priority })} /> },
      { id: "weight", header: t("channels.field.weight"), width: 84, cell: (c) => <InlineNumber label={t("channels.weightOf", { name: c.name })} min={0} value={c.weight ?? 0} onSave={(weight) => save(c, { weight })} /> },
    ],
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [t, format],
  );

  const rows = tableProps.rows?.filter((row) => !hidden.has(row.id));
  const filtered = state.keyword || state.group || state.model || state.type || state.status;
  return (
    <>
      <PageHeader title={t("channels.title")} hint={t("channels.hintPage")}>
        {testRun.progress && (
          <Group gap={8}>
            <Progress w={120} value={(testRun.progress.done / Math.max(1, testRun.progress.total)) * 100} animated aria-label={t("channels.test.running")} />
            <Text size="xs" c="dimmed" className="num" aria-live="polite">
              {t("channels.test.progress", { done: testRun.progress.done, total: testRun.progress.total })}
            </Text>
          </Group>
        )}
        <Button variant="default" leftSection={<IconTags size={16} />} onClick={() => setDialog("tags")}>
          {t("channels.tags.title")}
        </Button>
        <Menu position="bottom-end" shadow="md">
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label={t("shared.action.more")}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconTestPipe size={16} />} disabled={testRun.progress !== null} onClick={() => testRun.start()}>{t("channels.menu.testAll")}</Menu.Item>
            <Menu.Item leftSection={<IconRefresh size={16} />} onClick={() => balances.mutate()}>{t("channels.menu.balances")}</Menu.Item>
            <Menu.Item leftSection={<IconTool size={16} />} onClick={() => repair.mutate()}>{t("channels.menu.repair")}</Menu.Item>
            <Menu.Divider />
            <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => exportAll.mutate()}>{t("channels.menu.export")}</Menu.Item>
            <Menu.Item leftSection={<IconUpload size={16} />} onClick={() => setDialog("import")}>{t("channels.import.title")}</Menu.Item>
            <Menu.Divider />
            <Menu.Item
              color="red"
              leftSection={<IconTrash size={16} />}
              onClick={() => confirm({ title: t("channels.menu.deleteDisabled"), message: t("channels.confirmDeleteDisabled"), danger: true, typed: "DELETE", confirmLabel: t("shared.action.delete"), onConfirm: () => purge.mutateAsync().catch(() => undefined) })}
            >
              {t("channels.menu.deleteDisabled")}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button leftSection={<IconPlus size={16} />} onClick={() => setEditing({})}>
          {t("channels.add")}
        </Button>
      </PageHeader>
      <DataTable
        id="channels"
        label={t("channels.title")}
        columns={columns}
        {...tableProps}
        rows={rows}
        sort={state.id_sort ? "-id" : ""}
        onSort={(sort) => setState({ id_sort: sort !== "" })}
        rowKey={(row) => row.id}
        selected={selected}
        onSelect={setSelected}
        onOpen={(row) => setEditing({ id: row.id })}
        dimmed={(row) => row.status !== 1}
        actionsWidth={108}
        rowActions={(channel) => (
          <Group gap={2} wrap="nowrap" justify="flex-end">
            <Tooltip label={t("channels.action.test")}>
              <ActionIcon variant="subtle" color="gray" aria-label={t("channels.test.title", { name: channel.name })} onClick={() => setTesting(channel)}>
                <IconPlugConnected size={17} />
              </ActionIcon>
            </Tooltip>
            <Tooltip label={t("shared.action.edit")}>
              <ActionIcon variant="subtle" color="gray" aria-label={t("channels.editOf", { name: channel.name })} onClick={() => setEditing({ id: channel.id })}>
                <IconEdit size={17} />
              </ActionIcon>
            </Tooltip>
            <Menu position="bottom-end" shadow="md">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={t("channels.moreOf", { name: channel.name })}>
                  <IconDots size={17} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                {channel.status === 1 ? (
                  <Menu.Item leftSection={<IconBan size={16} />} onClick={() => save(channel, { status: 2 })}>{t("shared.action.disable")}</Menu.Item>
                ) : (
                  <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => save(channel, { status: 1 })}>{t("shared.action.enable")}</Menu.Item>
                )}
                <Menu.Item leftSection={<IconActivityHeartbeat size={16} />} component={Link} to={`/console/health/${channel.id}`}>{t("channels.action.health")}</Menu.Item>
                <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => copy.mutate(channel.id)}>{t("channels.action.copy")}</Menu.Item>
                <Menu.Divider />
                <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => removeWithUndo([channel.id])}>{t("shared.action.delete")}</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Group>
        )}
        toolbar={
          selected.size > 0 ? (
            <BulkBar
              channels={(rows ?? []).filter((row) => selected.has(row.id))}
              onDelete={() => {
                const ids = [...selected].map(Number);
                if (ids.length <= 5) removeWithUndo(ids);
                else confirm({ title: t("channels.confirmDelete", { count: ids.length }), danger: true, typed: "DELETE", confirmLabel: t("shared.action.delete"), onConfirm: () => removeWithUndo(ids) });
              }}
              onDone={() => setSelected(new Set())}
            />
          ) : (
            <>
              <SearchInput label={t("channels.search")} value={state.keyword} onChange={(keyword) => setState({ keyword })} />
              <Select w={160} clearable searchable placeholder={t("channels.anyType")} aria-label={t("channels.field.type")} data={CHANNEL_TYPES.map(([value, label]) => ({ value: String(value), label }))} value={state.type || null} onChange={(type) => setState({ type: type ?? "" })} />
              <Select w={140} clearable placeholder={t("channels.anyStatus")} aria-label={t("channels.column.status")} data={[{ value: "1", label: t("channels.status.enabled") }, { value: "2", label: t("channels.status.disabled") }, { value: "3", label: t("channels.status.auto") }]} value={state.status || null} onChange={(status) => setState({ status: status ?? "" })} />
              <Select w={140} clearable placeholder={t("channels.anyGroup")} aria-label={t("channels.field.groups")} data={groups.data ?? []} value={state.group || null} onChange={(group) => setState({ group: group ?? "" })} />
              <Select w={180} clearable searchable limit={60} placeholder={t("channels.anyModel")} aria-label={t("channels.field.models")} data={models.data ?? []} value={state.model || null} onChange={(model) => setState({ model: model ?? "" })} />
              <Switch size="sm" label={t("channels.sortById")} checked={state.id_sort} onChange={(event) => setState({ id_sort: event.currentTarget.checked })} />
            </>
          )
        }
        empty={
          filtered ? (
            <EmptyState message={t("channels.noMatch")} action={<Button variant="default" onClick={() => setState({ keyword: "", group: "", model: "", type: "", status: "" })}>{t("channels.clearFilters")}</Button>} />
          ) : (
            <EmptyState icon={IconRouteAltLeft} message={t("channels.empty")} hint={t("channels.emptyHint")} action={<Button leftSection={<IconPlus size={16} />} onClick={() => setEditing({})}>{t("channels.add")}</Button>} />
          )
        }
      />
      {editing && <ChannelDialog id={editing.id} onClose={() => setEditing(null)} />}
      {testing && <TestDialog channel={testing} onClose={() => setTesting(null)} />}
      {dialog === "tags" && <TagsDialog onClose={() => setDialog(null)} />}
      {dialog === "import" && <ImportDialog onClose={() => setDialog(null)} />}
    </>
  );
}
