// Logs: every call and every movement of quota, filtered, live, with the arithmetic behind each charge.
import { ActionIcon, Badge, Button, Card, Group, Select, SimpleGrid, Switch, Text, TextInput, Tooltip, UnstyledButton } from "@mantine/core";
import { DateTimePicker } from "@mantine/dates";
import "@mantine/dates/styles.layer.css";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconAdjustments, IconAlertTriangle, IconCoin, IconDownload, IconRefresh, IconRotate, IconTool, IconTransferIn, IconWaveSine } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Query } from "@/shared/api/client";
import { readJsonObject } from "@/shared/api/json-text";
import { useIsAdmin } from "@/shared/api/self";
import type { LogRow } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { Stat } from "@/shared/components/Stat";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { downloadText, writeCsv } from "@/shared/format/download";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { exportLogs, listLogs, LOG_TYPES, LOGS, logStat } from "../api/logs";
import { LogDetails } from "../components/LogDetails";

const DEFAULTS = { ...LIST_DEFAULTS, type: 0, from: 0, to: 0, model: "", token: "", user: "", channel: "", group: "", request: "", live: false };
const LIVE_MS = 1000;
const LOOKS = {
  1: { color: "green", icon: IconTransferIn },
  2: { color: "medusa", icon: IconCoin },
  3: { color: "orange", icon: IconTool },
  4: { color: "gray", icon: IconAdjustments },
  5: { color: "red", icon: IconAlertTriangle },
} as const;

const startOfToday = () => Math.floor(new Date().setHours(0, 0, 0, 0) / 1000);
const PRESETS = { today: () => startOfToday(), week: () => startOfToday() - 6 * 86_400, month: () => startOfToday() - 29 * 86_400, any: () => 0 };

function FilterInput({ label, value, onChange, w = 140 }: { label: string; value: string; onChange: (value: string) => void; w?: number }) {
  const emit = useDebouncedCallback(onChange, 350);
  return <TextInput key={value} w={w} aria-label={label} placeholder={label} defaultValue={value} onChange={(event) => emit(event.currentTarget.value.trim())} />;
}

export default function LogsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const isAdmin = useIsAdmin();
  const [more, setMore] = useState(false);
  const filters = (s: typeof DEFAULTS): Query => ({
    type: s.type || undefined,
    start_timestamp: s.from || undefined,
    end_timestamp: s.to || undefined,
    model_name: s.model,
    token_name: s.token,
    group: s.group,
    request_id: s.request,
    ...(isAdmin ? { username: s.user, channel: s.channel } : {}),
  });
  const { query, state, setState, tableProps } = useList({
    key: [...LOGS, "list", isAdmin],
    defaults: DEFAULTS,
    fetch: (list, signal) => listLogs(isAdmin, list, signal),
    filters,
    refetchInterval: (s) => (s.live ? LIVE_MS : false),
  });
  const wire = filters(state);
  const stat = useQuery({ queryKey: [...LOGS, "stat", isAdmin, wire], queryFn: ({ signal }) => logStat(isAdmin, wire, signal), placeholderData: keepPreviousData, refetchInterval: state.live ? 5000 : false });
  const download = useAction({
    run: () => exportLogs(isAdmin, wire),
    onDone: (rows) =>
      downloadText(
        "logs.csv",
        writeCsv([
          ["time", "type", "user", "token", "model", "group", "channel", "prompt_tokens", "completion_tokens", "quota", "usd", "seconds", "stream", "request_id", "content"],
          ...rows.map((r) => [new Date(r.created_at * 1000).toISOString(), LOG_TYPES[r.type as 0] ?? r.type, r.username, r.token_name, r.model_name, r.group, r.channel || "", r.prompt_tokens, r.completion_tokens, r.quota, format.usd(r.quota), r.use_time, r.is_stream, r.request_id ?? String(readJsonObject(r.other)["request_id"] ?? ""), r.content]),
        ]),
        "text/csv",
      ),
  });

  const columns = useMemo<Column<LogRow>[]>(() => {
    const admin: Column<LogRow>[] = [
      { id: "channel", header: t("logs.field.channel"), width: 92, cell: (r) => (r.channel ? <Tooltip label={r.channel_name || `#${r.channel}`}><Text size="sm" truncate tabIndex={0}>#{r.channel} <Text span size="sm" c="dimmed">{r.channel_name}</Text></Text></Tooltip> : null) },
      { id: "user", header: t("logs.field.user"), width: 76, cell: (r) => (r.username ? <UnstyledButton fz={13.5} onClick={() => setState({ user: r.username })}>{r.username}</UnstyledButton> : null) },
    ];
    return [
      { id: "time", header: t("logs.field.time"), width: 162, fixed: true, phone: "title", cell: (r) => <Text size="sm" style={{ whiteSpace: "nowrap" }}>{format.time(r.created_at)}</Text> },
      { id: "type", header: t("logs.field.type"), width: 110, cell: (r) => <StatusBadge label={t(`logs.type.${LOG_TYPES[r.type as 0] ?? "system"}`)} color={LOOKS[r.type as 1]?.color ?? "gray"} icon={LOOKS[r.type as 1]?.icon ?? IconAdjustments} /> },
      ...(isAdmin ? admin : []),
      { id: "token", header: t("logs.field.token"), width: 90, cell: (r) => (r.token_name ? <UnstyledButton fz={13.5} onClick={() => setState({ token: r.token_name })}>{r.token_name}</UnstyledButton> : null) },
      { id: "group", header: t("logs.field.group"), width: 100, hidden: true, cell: (r) => (r.group ? <Badge color="gray">{r.group}</Badge> : null) },
      {
        id: "model", header: t("logs.field.model"), width: 150,
        cell: (r) => {
          const other = readJsonObject(r.other);
          return r.model_name ? (
            <Text size="sm" fw={500} truncate title={r.model_name}>
              {r.model_name}
              {other["is_model_mapped"] === true && <Text span size="xs" c="dimmed"> → {String(other["upstream_model_name"])}</Text>}
            </Text>
          ) : (
            <Text size="sm" c="dimmed" truncate title={r.content}>{r.content}</Text>
          );
        },
      },
      {
        id: "duration", header: t("logs.field.duration"), width: 142,
        cell: (r) => {
          if (r.type !== 2 && r.type !== 5) return null;
          const frt = Number(readJsonObject(r.other)["frt"] ?? -1);
          const color = r.use_time < 101 ? "teal" : r.use_time < 300 ? "orange" : "red";
          return (
            <Group gap={4} wrap="nowrap">
              <Badge color={color}>{r.use_time} s</Badge>
              {r.is_stream && frt >= 0 && <Tooltip label={t("logs.firstToken")}><Badge color={frt < 3000 ? "teal" : frt < 10_000 ? "orange" : "red"} tabIndex={0}>{format.ms(frt)}</Badge></Tooltip>}
              {r.is_stream && <Tooltip label={t("logs.stream")}><IconWaveSine size={15} color="var(--text-soft)" aria-label={t("logs.stream")} /></Tooltip>}
            </Group>
          );
        },
      },
      { id: "prompt", header: t("logs.field.prompt"), width: 76, align: "right", cell: (r) => (r.prompt_tokens ? format.number(r.prompt_tokens) : "") },
      { id: "completion", header: t("logs.field.completion"), width: 94, align: "right", cell: (r) => (r.completion_tokens ? format.number(r.completion_tokens) : "") },
      { id: "cost", header: t("logs.field.cost"), width: 102, align: "right", cell: (r) => (r.quota ? <Text size="sm" fw={600} className="num" {...(r.type === 4 ? { c: "teal" } : {})}>{r.type === 4 ? "+" : ""}{format.quota(r.quota, 6)}</Text> : r.type === 2 ? t("logs.free") : "") },
    ];
  }, [t, format, isAdmin, setState]);

  const preset = (Object.keys(PRESETS) as (keyof typeof PRESETS)[]).find((name) => PRESETS[name]() === state.from && state.to === 0);
  const active = state.model || state.token || state.user || state.channel || state.group || state.request || state.type || state.from || state.to;
  return (
    <>
      <PageHeader title={t("logs.title")} hint={t("logs.hintPage")}>
        <Switch label={t("logs.live")} checked={state.live} onChange={(event) => setState({ live: event.currentTarget.checked })} />
        <Button variant="default" leftSection={<IconDownload size={16} />} loading={download.isPending} onClick={() => download.mutate()}>
          CSV
        </Button>
      </PageHeader>
      <SimpleGrid cols={{ base: 1, xs: 3 }} mb="md" spacing="sm">
        <Card py="sm"><Stat label={t("logs.stat.quota")} loading={stat.isPending} value={stat.data ? format.quota(stat.data.quota) : "–"} /></Card>
        <Card py="sm"><Stat label={t("logs.stat.rpm")} loading={stat.isPending} value={stat.data ? format.number(stat.data.rpm) : "–"} /></Card>
        <Card py="sm"><Stat label={t("logs.stat.tpm")} loading={stat.isPending} value={stat.data ? format.compact(stat.data.tpm) : "–"} /></Card>
      </SimpleGrid>
      <DataTable
        id="logs"
        label={t("logs.title")}
        columns={columns}
        {...tableProps}
        isFetching={tableProps.isFetching && !state.live}
        rowKey={(row) => row.id}
        expand={(row) => <LogDetails row={row} isAdmin={isAdmin} />}
        toolbar={
          <>
            <Select w={130} allowDeselect={false} aria-label={t("logs.field.type")} data={Object.entries(LOG_TYPES).map(([value, name]) => ({ value, label: t(`logs.type.${name}`) }))} value={String(state.type)} onChange={(value) => setState({ type: Number(value) })} />
            <Select
              w={140}
              aria-label={t("logs.field.time")}
              allowDeselect={false}
              data={[...Object.keys(PRESETS).map((name) => ({ value: name, label: t(`logs.range.${name}`) })), ...(preset ? [] : [{ value: "custom", label: t("logs.range.custom") }])]}
              value={preset ?? "custom"}
              onChange={(name) => name && name !== "custom" && setState({ from: PRESETS[name as keyof typeof PRESETS](), to: 0 })}
            />
            <FilterInput label={t("logs.field.model")} value={state.model} onChange={(model) => setState({ model })} w={150} />
            <FilterInput label={t("logs.field.token")} value={state.token} onChange={(token) => setState({ token })} w={120} />
            {isAdmin && <FilterInput label={t("logs.field.user")} value={state.user} onChange={(user) => setState({ user })} w={110} />}
            <Button variant={more ? "light" : "default"} leftSection={<IconAdjustments size={16} />} aria-expanded={more} onClick={() => setMore(!more)}>
              {t("logs.moreFilters")}
            </Button>
            {active ? (
              <Tooltip label={t("shared.action.reset")}>
                <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("shared.action.reset")} onClick={() => setState({ ...DEFAULTS, live: state.live, size: state.size })}>
                  <IconRotate size={17} />
                </ActionIcon>
              </Tooltip>
            ) : null}
            <Tooltip label={t("shared.action.refresh")}>
              <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("shared.action.refresh")} onClick={() => void Promise.all([query.refetch(), stat.refetch()])}>
                <IconRefresh size={17} />
              </ActionIcon>
            </Tooltip>
            {more && (
              <Group gap="xs" w="100%">
                {isAdmin && <FilterInput label={t("logs.field.channelId")} value={state.channel} onChange={(channel) => setState({ channel })} w={110} />}
                <FilterInput label={t("logs.field.group")} value={state.group} onChange={(group) => setState({ group })} w={120} />
                <FilterInput label={t("logs.fact.requestId")} value={state.request} onChange={(request) => setState({ request })} w={250} />
                <DateTimePicker w={190} clearable placeholder={t("logs.from")} aria-label={t("logs.from")} valueFormat="YYYY-MM-DD HH:mm" value={state.from ? format.time(state.from) : null} onChange={(value) => setState({ from: value ? Math.floor(new Date(value.replace(" ", "T")).getTime() / 1000) : 0 })} />
                <DateTimePicker w={190} clearable placeholder={t("logs.to")} aria-label={t("logs.to")} valueFormat="YYYY-MM-DD HH:mm" value={state.to ? format.time(state.to) : null} onChange={(value) => setState({ to: value ? Math.floor(new Date(value.replace(" ", "T")).getTime() / 1000) : 0 })} />
              </Group>
            )}
          </>
        }
        empty={<EmptyState message={t(active ? "logs.noMatch" : "logs.empty")} hint={t(active ? "logs.noMatchHint" : "logs.emptyHint")} />}
      />
    </>
  );
}
