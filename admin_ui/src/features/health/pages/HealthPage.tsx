// Channel health: what every channel is doing right now, trouble first, live.
import { ActionIcon, Alert, Badge, Box, Card, Group, Menu, SegmentedControl, Select, SimpleGrid, Skeleton, Switch, Text, Tooltip } from "@mantine/core";
import { IconActivityHeartbeat, IconBan, IconDotsVertical, IconAdjustments, IconDropletDown, IconFileSearch, IconHistory, IconHourglassHigh, IconInfoCircle, IconPlayerPlay, IconPlugConnected } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { InlineNumber } from "@/shared/components/InlineNumber";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { Sparkline } from "@/shared/components/charts/Sparkline";
import { Stat } from "@/shared/components/Stat";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { channelTypeName } from "@/shared/domain/channel-types";
import { useFormat } from "@/shared/format/useFormat";
import { useUrlState } from "@/shared/hooks/url-state";
import { allEventsQuery, byTrouble, changeRatio, type ChannelHealth, overviewQuery, WINDOWS, type WindowName } from "../api/health";
import { ErrorBar } from "../components/ErrorBar";
import { HealthBadge } from "../components/HealthBadge";
import { AdjustDialog } from "../components/AdjustDialog";
import { EventList } from "../components/EventList";
import { ModelHealthTable } from "../components/ModelHealthTable";
import { Pair } from "../components/Pair";
import { WeekOverview } from "../components/WeekOverview";
import { useChannelActions } from "../components/useChannelActions";
import { useHealthStream } from "../components/useHealthStream";

const DEFAULTS = { window: "1h", view: "channels", keyword: "", state: "", sort: "", paused: false };
const VIEWS = ["channels", "models", "week", "history"];
const LAG_WARN_S = 5;
const LAG_ALARM_S = 60;

const SORTS: Record<string, (row: ChannelHealth) => number | string> = {
  name: (row) => row.name.toLowerCase(),
  success: (row) => row.success_ratio ?? 2,
  latency: (row) => row.latency_ms.p95 ?? -1,
  ttft: (row) => row.ttft_ms.p95 ?? -1,
  rate: (row) => row.rpm,
  spend: (row) => row.quota,
  balance: (row) => row.balance,
};

export function sortRows(rows: readonly ChannelHealth[], sort: string): ChannelHealth[] {
  const value = SORTS[sort.replace(/^-/, "")];
  if (!value) return [...rows].sort(byTrouble);
  const sign = sort.startsWith("-") ? -1 : 1;
  return [...rows].sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
}

export default function HealthPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const [state, setState] = useUrlState(DEFAULTS);
  const window = (state.window in WINDOWS ? state.window : "1h") as WindowName;
  const stream = useHealthStream(!state.paused);
  const overview = useQuery(overviewQuery(window, !state.paused));
  const actions = useChannelActions();
  const data = overview.data;
  const totals = data?.totals;
  const before = totals?.previous;

  const rows = useMemo(() => {
    const keyword = state.keyword.toLowerCase();
    const found = (data?.items ?? []).filter((row) => (!keyword || `${row.name} ${row.channel_id} ${row.tag ?? ""}`.toLowerCase().includes(keyword)) && (!state.state || row.state === state.state || (state.state === "drained" && row.drained)));
    return sortRows(found, state.sort);
  }, [data, state.keyword, state.state, state.sort]);
  const counts = useMemo(() => {
    const sum: Record<string, number> = {};
    for (const row of data?.items ?? []) {
      sum[row.state] = (sum[row.state] ?? 0) + 1;
      if (row.drained) sum["drained"] = (sum["drained"] ?? 0) + 1;
    }
    return sum;
  }, [data]);
  const [adjusting, setAdjusting] = useState<number>();

  const columns: Column<ChannelHealth>[] = [
    {
      id: "state", header: t("health.column.state"), width: 122, fixed: true,
      cell: (row) => (
        <Group gap={4}>
          <HealthBadge state={row.state} {...(row.disabled_reason ? { hint: [row.disabled_at ? format.time(row.disabled_at) : "", row.disabled_reason].filter(Boolean).join(" · ") } : {})} />
          {row.slower && <Badge color="yellow" leftSection={<IconHourglassHigh size={12} aria-hidden />}>{t("health.slow")}</Badge>}
          {row.drained && <Badge color="blue">{t("health.drained")}</Badge>}
          {row.breaker !== "closed" && <Badge color="orange">{t(`health.breaker.${row.breaker === "open" ? "open" : "half_open"}`)}</Badge>}
        </Group>
      ),
    },
    {
      id: "name", header: t("health.column.channel"), width: 160, fixed: true, sortable: true, phone: "title",
      cell: (row) => (
        <div style={{ minWidth: 0 }}>
          <Link to={`/console/health/${row.channel_id}`} style={{ color: "inherit", fontWeight: 600, textDecoration: "none" }}>
            {row.name}
          </Link>
          <Text size="xs" c="dimmed" truncate>
            {channelTypeName(row.type)}{row.tag ? ` · ${row.tag}` : ""}
          </Text>
        </div>
      ),
    },
    { id: "success", header: t("health.column.success"), width: 84, align: "right", sortable: true, cell: (row) => (row.success_ratio === null ? "–" : <Text size="sm" fw={600} className="num" c={row.success_ratio < 0.9 ? "var(--bad)" : undefined}>{format.percent(row.success_ratio, 2)}</Text>) },
    { id: "spark", header: t("health.column.traffic"), width: 116, cell: (row) => <Sparkline width={100} ok={row.sparkline.ok} failed={row.sparkline.failed} label={t("health.sparkline", { calls: format.number(row.calls), failures: format.number(row.failures) })} /> },
    { id: "latency", header: t("health.column.latency"), width: 120, align: "right", sortable: true, cell: (row) => <Pair value={row.latency_ms} {...(row.slower && row.usual_p95_ms !== null ? { slower: t("health.slower", { usual: format.ms(row.usual_p95_ms) }) } : {})} /> },
    { id: "ttft", header: t("health.column.ttft"), width: 128, align: "right", sortable: true, cell: (row) => <Pair value={row.ttft_ms} /> },
    { id: "rate", header: t("health.column.rate"), width: 88, align: "right", sortable: true, cell: (row) => <><Text size="sm" className="num">{format.number(row.rpm)}</Text><Text size="xs" c="dimmed" className="num">{format.compact(row.tpm)}</Text></> },
    { id: "errors", header: t("health.column.errors"), width: 92, cell: (row) => <ErrorBar errors={row.errors} /> },
    { id: "spend", header: t("health.column.spend"), width: 74, align: "right", sortable: true, cell: (row) => format.quota(row.quota) },
    {
      id: "balance", header: t("health.column.balance"), width: 96, align: "right", sortable: true,
      cell: (row) => (row.balance ? <><Text size="sm" className="num">{format.dollars(row.balance)}</Text>{row.days_left !== null && <Text size="xs" truncate c={row.days_left < 3 ? "var(--bad)" : "dimmed"}>{t("health.daysLeft", { count: Math.floor(row.days_left) })}</Text>}</> : "–"),
    },
    { id: "priority", header: t("health.column.priority"), width: 96, hidden: true, cell: (row) => <InlineNumber label={t("health.priorityOf", { name: row.name })} value={row.priority} onSave={(priority) => actions.set(row, { priority })} /> },
    { id: "weight", header: t("health.column.weight"), width: 96, hidden: true, cell: (row) => <InlineNumber label={t("health.weightOf", { name: row.name })} min={0} value={row.weight} onSave={(weight) => actions.set(row, { weight })} /> },
    { id: "inflight", header: t("health.column.inFlight"), width: 90, align: "right", hidden: true, cell: (row) => format.number(row.in_flight) },
  ];
  const lag = totals?.queue_lag_s;
  const view = VIEWS.includes(state.view) ? state.view : "channels";
  const toolbar = (
          <>
            <SegmentedControl size="sm" aria-label={t("health.view.title")} value={view} onChange={(value) => setState({ view: value })} data={VIEWS.map((value) => ({ value, label: t(`health.view.${value}`) }))} />
            {view !== "history" && (
            <SearchInput label={t(view === "models" ? "health.column.model" : "health.search")} value={state.keyword} onChange={(keyword) => setState({ keyword })} />
            )}
            {(view === "channels" || view === "week") && (
            <Select
              w={190}
              clearable
              placeholder={t("health.anyState")}
              aria-label={t("health.column.state")}
              data={["bad", "degraded", "good", "idle", "off", "drained"].map((value) => ({ value, label: `${t(`health.state.${value}`)} (${counts[value] ?? 0})` }))}
              value={state.state || null}
              onChange={(value) => setState({ state: value ?? "" })}
            />
            )}
          </>
  );
  const ms = (value: number | null | undefined) => (value === null || value === undefined ? "–" : format.ms(value));
  return (
    <>
      <PageHeader title={t("health.title")} hint={data ? t("health.asOf", { time: format.time(data.as_of).slice(11) }) : t("shared.loading")}>
        <Badge variant="dot" color={stream === "live" ? "teal" : stream === "polling" ? "blue" : "gray"} size="lg">
          {t(`health.stream.${stream}`)}
        </Badge>
        <Switch label={t("health.pause")} checked={state.paused} onChange={(event) => setState({ paused: event.currentTarget.checked })} />
        <SegmentedControl size="sm" aria-label={t("health.window")} value={window} onChange={(value) => setState({ window: value })} data={Object.keys(WINDOWS).map((value) => ({ value, label: t(`health.windows.${value}`) }))} />
      </PageHeader>
      {data && !data.measured && (
        <Alert icon={<IconInfoCircle size={18} />} mb="md">
          {t("health.unmeasured")}
        </Alert>
      )}
      <Card mb="md">
        <SimpleGrid cols={{ base: 2, sm: 4, lg: 8 }} spacing="lg" verticalSpacing="md">
          <Stat label={t("health.total.calls")} loading={overview.isPending} value={format.compact(totals?.calls ?? 0)} change={changeRatio(totals?.calls, before?.calls)} hint={totals?.rpm === undefined ? undefined : t("health.perMinute", { calls: format.compact(totals.rpm), tokens: format.compact(totals.tpm ?? 0) })} />
          <Stat label={t("health.total.success")} loading={overview.isPending} value={totals?.success_ratio == null ? "–" : format.percent(totals.success_ratio, 2)} change={changeRatio(totals?.success_ratio, before?.success_ratio)} goodWhen="up" />
          <Stat label={t("health.total.latency")} loading={overview.isPending} value={ms(totals?.latency_ms_p95)} change={changeRatio(totals?.latency_ms_p95, before?.latency_ms_p95)} goodWhen="down" />
          <Stat label={t("health.total.ttft")} loading={overview.isPending} value={ms(totals?.ttft_ms_p95)} change={changeRatio(totals?.ttft_ms_p95, before?.ttft_ms_p95)} goodWhen="down" />
          <Stat label={t("health.total.spend")} loading={overview.isPending} value={format.quota(totals?.quota ?? 0)} change={changeRatio(totals?.quota, before?.quota)} />
          <Stat label={t("health.total.lag")} loading={overview.isPending} value={lag == null ? "–" : format.ms(lag * 1000)} {...(lag != null && lag > LAG_WARN_S ? { color: lag > LAG_ALARM_S ? "var(--bad)" : "var(--warn)" } : {})} hint={lag != null && lag > LAG_WARN_S ? t("health.lagWarning") : undefined} />
          <Stat label={t("health.total.settled")} loading={overview.isPending} value={totals?.settled_per_s == null ? "–" : t("health.perSecond", { rate: format.number(totals.settled_per_s, 1) })} />
          <Stat label={t("health.total.holds")} loading={overview.isPending} value={totals?.holds_open == null ? "–" : format.number(totals.holds_open)} hint={totals?.open_tasks ? t("health.openTasks", { count: totals.open_tasks }) : totals?.in_flight === undefined ? undefined : t("health.inFlight", { count: totals.in_flight })} />
        </SimpleGrid>
      </Card>
      {view === "models" && <ModelHealthTable window={window} live={!state.paused} keyword={state.keyword} toolbar={toolbar} />}
      {view === "week" && <WeekOverview channels={rows} toolbar={toolbar} />}
      {view === "history" && <AllHistory toolbar={toolbar} />}
      {view === "channels" && (
      <DataTable
        id="health"
        label={t("health.title")}
        columns={columns}
        rows={data ? rows : undefined}
        rowKey={(row) => row.channel_id}
        isPending={overview.isPending}
        error={overview.error}
        onRetry={() => void overview.refetch()}
        sort={state.sort}
        onSort={(sort) => setState({ sort })}
        onOpen={(row) => void navigate({ to: `/console/health/${row.channel_id}` })}
        dimmed={(row) => row.state === "off"}
        actionsWidth={78}
        rowActions={(row) => (
          <Group gap={2} wrap="nowrap" justify="flex-end">
            <Tooltip label={t("health.action.test")}>
              <ActionIcon variant="subtle" color="gray" loading={actions.testing === row.channel_id} aria-label={t("health.action.testOf", { name: row.name })} onClick={() => actions.test(row.channel_id)}>
                <IconPlugConnected size={17} />
              </ActionIcon>
            </Tooltip>
            <Menu position="bottom-end" shadow="md">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={t("health.action.moreOf", { name: row.name })}>
                  <IconDotsVertical size={17} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item leftSection={<IconFileSearch size={16} />} component={Link} to={`/console/health/${row.channel_id}`}>{t("health.action.open")}</Menu.Item>
                {row.status === 1 ? <Menu.Item leftSection={<IconBan size={16} />} onClick={() => actions.disable(row)}>{t("shared.action.disable")}</Menu.Item> : <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => actions.enable(row)}>{t("shared.action.enable")}</Menu.Item>}
                <Menu.Item leftSection={<IconAdjustments size={16} />} onClick={() => setAdjusting(row.channel_id)}>{t("health.action.adjust")}</Menu.Item>
                {data?.measured && <Menu.Item leftSection={<IconDropletDown size={16} />} onClick={() => actions.drain(row)}>{t(row.drained ? "health.action.undrain" : "health.action.drain")}</Menu.Item>}
              </Menu.Dropdown>
            </Menu>
          </Group>
        )}
        toolbar={toolbar}
        empty={<EmptyState icon={IconActivityHeartbeat} message={t(data?.items.length ? "health.noMatch" : "health.empty")} hint={t(data?.items.length ? "health.noMatchHint" : "health.emptyHint")} />}
      />
      )}
      <AdjustDialog channel={data?.items.find((row) => row.channel_id === adjusting)} onClose={() => setAdjusting(undefined)} onSave={(row, change) => actions.set(row, change)} />
    </>
  );
}

function AllHistory({ toolbar }: { toolbar: ReactNode }) {
  const { t } = useTranslation();
  const events = useQuery(allEventsQuery());
  return (
    <Card p={0}>
      <Group gap="xs" p="10px 12px" style={{ borderBottom: "1px solid var(--line)" }}>{toolbar}</Group>
      <Box p="md">
        {events.isPending ? <Skeleton h={240} /> : events.isError ? <ErrorState error={events.error} onRetry={() => void events.refetch()} /> : events.data.length === 0 ? <EmptyState icon={IconHistory} message={t("health.noEvents")} /> : <EventList events={events.data} />}
      </Box>
    </Card>
  );
}
