// One channel: figures over time, failing calls, models, history of being switched off, the week as a heat map.
import { Alert, Anchor, Badge, Button, Card, Code, Group, SegmentedControl, SimpleGrid, Skeleton, Stack, Table, Tabs, Text } from "@mantine/core";
import { IconAdjustments, IconArrowLeft, IconBan, IconDropletDown, IconPlayerPlay, IconPlugConnected } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ErrorState } from "@/shared/components/ErrorState";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { Stat } from "@/shared/components/Stat";
import { TimeChart } from "@/shared/components/charts/TimeChart";
import { channelTypeName } from "@/shared/domain/channel-types";
import { useFormat } from "@/shared/format/useFormat";
import { useUrlState } from "@/shared/hooks/url-state";
import { detailQuery, errorsQuery, eventsQuery, WINDOWS, type WindowName } from "../api/health";
import { AdjustDialog } from "../components/AdjustDialog";
import { ErrorBar, useErrorClassName } from "../components/ErrorBar";
import { EventList } from "../components/EventList";
import { HealthBadge } from "../components/HealthBadge";
import { Pair } from "../components/Pair";
import { useChannelActions } from "../components/useChannelActions";
import { useHealthStream } from "../components/useHealthStream";
import { WeekHeatMap } from "../components/WeekHeatMap";

const DEFAULTS = { window: "1h", tab: "now" };
const NONE = { p50: null, p95: null };

export default function ChannelHealthPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const { channelId } = useParams({ strict: false }) as { channelId?: string };
  const id = Number(channelId);
  const [state, setState] = useUrlState(DEFAULTS);
  const window = (state.window in WINDOWS ? state.window : "1h") as WindowName;
  useHealthStream(true);
  const detail = useQuery(detailQuery(id, window, true));
  const actions = useChannelActions();
  const [adjusting, setAdjusting] = useState(false);
  const back = (
    <Anchor component={Link} to="/console/health" size="sm" c="dimmed" mb={6} style={{ display: "inline-flex", alignItems: "center", gap: 4 }}>
      <IconArrowLeft size={15} /> {t("health.title")}
    </Anchor>
  );
  if (detail.isError) return <>{back}<ErrorState error={detail.error} onRetry={() => void detail.refetch()} /></>;
  const channel = detail.data?.channel;
  const label = (at: number) => (WINDOWS[window] > 86_400 ? format.time(at).slice(5, 16) : format.time(at).slice(11, 16));
  const buckets = (detail.data?.buckets ?? []).map((b) => ({
    label: label(b.at), ok: b.calls - b.failures, failed: b.failures, p50: b.latency_p50_ms ?? null, p95: b.latency_p95_ms ?? null, t50: b.ttft_p50_ms ?? null, t95: b.ttft_p95_ms ?? null,
    tokens: b.tokens ?? 0, spend: b.quota ?? 0,
  }));
  const ms = (value: number | null | undefined) => (value === null || value === undefined ? "–" : format.ms(value));
  return (
    <>
      {back}
      <PageHeader title={channel?.name || t("health.channelNumber", { id })} {...(channel ? { hint: `#${id} · ${channelTypeName(channel.type)}` } : {})}>
        {channel && channel.breaker !== "closed" && <Badge color="orange">{t(`health.breaker.${channel.breaker === "open" ? "open" : "half_open"}`)}</Badge>}
        {channel?.drained && <Badge color="blue">{t("health.drained")}</Badge>}
        {channel && <HealthBadge state={channel.state} {...(channel.disabled_reason ? { hint: channel.disabled_reason } : {})} />}
        <SegmentedControl size="sm" aria-label={t("health.window")} value={window} onChange={(value) => setState({ window: value })} data={Object.keys(WINDOWS).map((value) => ({ value, label: t(`health.windows.${value}`) }))} />
        <Button variant="default" leftSection={<IconPlugConnected size={16} />} loading={actions.testing === id} onClick={() => actions.test(id)}>{t("health.action.test")}</Button>
        {channel && <Button variant="default" leftSection={<IconAdjustments size={16} />} onClick={() => setAdjusting(true)}>{t("health.action.adjust")}</Button>}
        {channel && <Button variant="default" leftSection={<IconDropletDown size={16} />} onClick={() => actions.drain(channel)}>{t(channel.drained ? "health.action.undrain" : "health.action.drain")}</Button>}
        {channel && (channel.status === 1 ? <Button variant="default" leftSection={<IconBan size={16} />} onClick={() => actions.disable(channel)}>{t("shared.action.disable")}</Button> : <Button leftSection={<IconPlayerPlay size={16} />} onClick={() => actions.enable(channel)}>{t("shared.action.enable")}</Button>)}
      </PageHeader>
      {channel?.disabled_reason && <Alert color="red" mb="md" title={t("health.event.auto_disable")}>{channel.disabled_at ? `${format.time(channel.disabled_at)} · ` : ""}{channel.disabled_reason}</Alert>}
      <Card mb="md">
        <SimpleGrid cols={{ base: 2, sm: 4, lg: 7 }}>
          <Stat label={t("health.total.success")} loading={detail.isPending} value={channel?.success_ratio == null ? "–" : format.percent(channel.success_ratio, 2)} hint={channel ? t("health.clientErrors", { count: channel.client_errors }) : undefined} />
          <Stat label={t("health.total.calls")} loading={detail.isPending} value={format.number(channel?.calls ?? 0)} hint={channel ? t("health.failures", { count: channel.failures }) : undefined} />
          <Stat label={t("health.column.rate")} loading={detail.isPending} value={`${format.number(channel?.rpm ?? 0)} / ${format.compact(channel?.tpm ?? 0)}`} hint={channel ? t("health.inFlight", { count: channel.in_flight }) : undefined} />
          <Stat label={t("health.column.latency")} loading={detail.isPending} value={ms(channel?.latency_ms.p95)} {...(channel?.slower ? { color: "var(--warn)" } : {})} hint={`p50 ${ms(channel?.latency_ms.p50)}${channel?.usual_p95_ms == null ? "" : ` · ${t("health.usual", { usual: format.ms(channel.usual_p95_ms) })}`}`} />
          <Stat label={t("health.column.ttft")} loading={detail.isPending} value={ms(channel?.ttft_ms.p95)} hint={`p50 ${ms(channel?.ttft_ms.p50)}`} />
          <Stat label={t("health.total.spend")} loading={detail.isPending} value={format.quota(channel?.quota ?? 0)} />
          <Stat label={t("health.column.balance")} loading={detail.isPending} value={channel?.balance ? format.dollars(channel.balance) : "–"} hint={channel?.days_left != null ? t("health.daysLeft", { count: Math.floor(channel.days_left) }) : undefined} />
        </SimpleGrid>
      </Card>
      <AdjustDialog channel={adjusting ? (channel ?? undefined) : undefined} onClose={() => setAdjusting(false)} onSave={(row, change) => actions.set(row, change)} />
      <Tabs value={state.tab} onChange={(tab) => setState({ tab: tab ?? "now" })} keepMounted={false}>
        <Tabs.List mb="md">
          {["now", "errors", "models", "history"].map((name) => (
            <Tabs.Tab key={name} value={name}>{t(`health.tab.${name}`)}</Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="now">
          {detail.isPending ? (
            <Skeleton h={420} />
          ) : (
            <Stack>
              <SimpleGrid cols={{ base: 1, lg: 2 }}>
                <Card style={{ gridColumn: "1 / -1" }}><TimeChart title={t("health.chart.calls")} kind="bar" stacked rows={buckets} formatValue={(v) => format.number(v)} series={[{ name: "ok", label: t("health.chart.ok"), color: "teal.5" }, { name: "failed", label: t("health.chart.failed"), color: "red.6" }]} /></Card>
                <Card><TimeChart title={t("health.column.latency")} kind="line" rows={buckets} formatValue={format.ms} series={[{ name: "p50", label: "p50", color: "medusa.4" }, { name: "p95", label: "p95", color: "orange.5" }]} /></Card>
                <Card><TimeChart title={t("health.column.ttft")} kind="line" rows={buckets} formatValue={format.ms} series={[{ name: "t50", label: "p50", color: "cyan.5" }, { name: "t95", label: "p95", color: "grape.5" }]} /></Card>
                <Card><TimeChart title={t("health.chart.tokens")} kind="bar" rows={buckets} formatValue={(v) => format.compact(v)} series={[{ name: "tokens", label: t("health.chart.tokens"), color: "indigo.5" }]} /></Card>
                <Card><TimeChart title={t("health.total.spend")} kind="bar" rows={buckets} formatValue={(v) => format.quota(v)} series={[{ name: "spend", label: t("health.total.spend"), color: "medusa.5" }]} /></Card>
              </SimpleGrid>
              <Card>
                <Text fw={600} size="sm" mb="sm">{t("health.week.title")}</Text>
                <WeekHeatMap week={detail.data.week} />
              </Card>
            </Stack>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="errors"><ErrorsTab id={id} /></Tabs.Panel>
        <Tabs.Panel value="models">
          {detail.data && detail.data.models.length === 0 ? (
            <EmptyState message={t("health.noCalls")} />
          ) : (
            <Card p={0}>
              <Table.ScrollContainer minWidth={980} type="native">
                <Table verticalSpacing="xs" className="num">
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{t("health.column.model")}</Table.Th><Table.Th>{t("health.total.calls")}</Table.Th><Table.Th>{t("health.column.success")}</Table.Th><Table.Th>{t("health.column.latency")}</Table.Th><Table.Th>{t("health.column.ttft")}</Table.Th><Table.Th>{t("health.column.rate")}</Table.Th><Table.Th>{t("health.column.errors")}</Table.Th><Table.Th>{t("health.column.spend")}</Table.Th><Table.Th>{t("health.lastSuccess")}</Table.Th><Table.Th />
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {(detail.data?.models ?? []).map((m) => (
                      <Table.Tr key={m.model}>
                        <Table.Td fw={500}>{m.model}{m.breaker && m.breaker !== "closed" && <Badge ml={8} color="orange">{t(`health.breaker.${m.breaker === "open" ? "open" : "half_open"}`)}</Badge>}</Table.Td>
                        <Table.Td>{format.number(m.calls)}</Table.Td>
                        <Table.Td>{m.success_ratio === null ? "–" : format.percent(m.success_ratio, 2)}</Table.Td>
                        <Table.Td><Pair value={m.latency_ms ?? NONE} /></Table.Td>
                        <Table.Td><Pair value={m.ttft_ms ?? NONE} /></Table.Td>
                        <Table.Td>{format.number(m.rpm ?? 0)} / {format.compact(m.tpm ?? 0)}</Table.Td>
                        <Table.Td w={120}><ErrorBar errors={m.errors ?? {}} /></Table.Td>
                        <Table.Td>{format.quota(m.quota ?? 0)}</Table.Td>
                        <Table.Td>{m.last_success_at ? format.ago(m.last_success_at) : "–"}</Table.Td>
                        <Table.Td><Button size="compact-xs" variant="default" onClick={() => actions.test(id, m.model)}>{t("health.action.test")}</Button></Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            </Card>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="history"><HistoryTab id={id} /></Tabs.Panel>
      </Tabs>
    </>
  );
}

function ErrorsTab({ id }: { id: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const className = useErrorClassName();
  const errors = useQuery(errorsQuery(id));
  if (errors.isPending) return <Skeleton h={200} />;
  if (errors.isError) return <ErrorState error={errors.error} onRetry={() => void errors.refetch()} />;
  if (errors.data.length === 0) return <EmptyState message={t("health.noErrors")} />;
  return (
    <Card p={0}>
      <Group justify="flex-end" p="8px 12px" style={{ borderBottom: "1px solid var(--line)" }}>
        <Anchor component={Link} to="/console/logs" search={{ type: 5, channel: String(id) } as never} size="sm">{t("health.error.all")}</Anchor>
      </Group>
      <Table.ScrollContainer minWidth={900} type="native">
        <Table verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("health.error.class")}</Table.Th><Table.Th>{t("health.error.status")}</Table.Th><Table.Th>{t("health.error.message")}</Table.Th><Table.Th>{t("health.column.model")}</Table.Th><Table.Th>{t("health.error.count")}</Table.Th><Table.Th>{t("health.error.last")}</Table.Th><Table.Th>{t("health.error.calls")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {errors.data.map((row, index) => (
              <Table.Tr key={index}>
                <Table.Td>{className(row.error_class)}</Table.Td>
                <Table.Td className="num">{row.status || "–"}</Table.Td>
                <Table.Td maw={380}><Text size="sm" style={{ overflowWrap: "anywhere" }}>{row.message}</Text></Table.Td>
                <Table.Td>{row.model}</Table.Td>
                <Table.Td className="num">{format.number(row.count)}</Table.Td>
                <Table.Td>{format.ago(row.last_at)}</Table.Td>
                <Table.Td>
                  <Group gap={4}>
                    {(row.request_ids ?? []).slice(0, 3).map((requestId) => (
                      <Anchor key={requestId} component={Link} to="/console/logs" search={{ request: requestId } as never}><Code c="inherit">{requestId.slice(-8)}</Code></Anchor>
                    ))}
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

function HistoryTab({ id }: { id: number }) {
  const { t } = useTranslation();
  const events = useQuery(eventsQuery(id));
  if (events.isPending) return <Skeleton h={200} />;
  if (events.isError) return <ErrorState error={events.error} onRetry={() => void events.refetch()} />;
  if (events.data.length === 0) return <EmptyState message={t("health.noEvents")} />;
  return <Card><EventList events={events.data} /></Card>;
}
