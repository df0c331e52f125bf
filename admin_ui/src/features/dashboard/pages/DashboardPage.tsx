// Dashboard: spend, calls and tokens over time, by model and user, against the range before.
import { Button, Card, Grid, Group, Progress, SegmentedControl, Select, SimpleGrid, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconChartAreaLine, IconDownload, IconKey } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useIsAdmin, useSelf } from "@/shared/api/self";
import { TimeChart } from "@/shared/components/charts/TimeChart";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { PageHeader } from "@/shared/components/PageHeader";
import { Stat } from "@/shared/components/Stat";
import { downloadText, writeCsv } from "@/shared/format/download";
import { useFormat } from "@/shared/format/useFormat";
import { useUrlState } from "@/shared/hooks/url-state";
import { type Bounds, changeOf, DATA, type Grain, type Measure, rank, type Ranked, readData, readUsers, slots, sumOf } from "../api/data";

const DEFAULTS = { days: 7, grain: "", measure: "quota", mine: false, user: "" };
const RANGES = [1, 7, 30, 90];
const COLORS = ["medusa.5", "teal.6", "orange.5", "blue.5", "grape.5", "lime.6", "cyan.6", "pink.5"];
const DAY_S = 86_400;
const LIVE_MS = 60_000;

function TopList({ title, rows, measure, show, onPick }: { title: string; rows: Ranked[]; measure: Measure; show: (value: number) => string; onPick?: (name: string) => void }) {
  const { t } = useTranslation();
  const most = rows[0]?.[measure] || 1;
  return (
    <Card withBorder h="100%">
      <Text fw={600} size="sm" mb="sm">{title}</Text>
      <Stack gap={10}>
        {rows.slice(0, 8).map((row) => (
          <div key={row.name}>
            <Group justify="space-between" wrap="nowrap" gap="xs">
              {onPick ? <Button variant="subtle" color="gray" size="compact-xs" onClick={() => onPick(row.name)}>{row.name}</Button> : <Text size="sm" truncate>{row.name}</Text>}
              <Text size="sm" className="num" fw={600}>{show(row[measure])}</Text>
            </Group>
            <Progress size={5} value={(row[measure] / most) * 100} aria-label={`${row.name}: ${show(row[measure])}`} />
          </div>
        ))}
        {rows.length === 0 && <Text size="sm" c="dimmed">{t("dashboard.nothing")}</Text>}
      </Stack>
    </Card>
  );
}

export default function DashboardPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const self = useSelf();
  const isAdmin = useIsAdmin();
  const [state, setState] = useUrlState(DEFAULTS);
  const all = isAdmin && !state.mine;
  const pickUser = useDebouncedCallback((user: string) => setState({ user }), 350);
  const measure = state.measure as Measure;
  const grain = (state.grain || (state.days <= 2 ? "hour" : state.days <= 60 ? "day" : "week")) as Grain;
  const bounds: Bounds = useMemo(() => {
    const to = Math.floor(Date.now() / 1000);
    return { from: to - state.days * DAY_S, to };
  }, [state.days]);
  const before: Bounds = { from: bounds.from - state.days * DAY_S, to: bounds.from - 1 };
  const read = (range: Bounds, name: string) => ({ queryKey: [...DATA, name, all, state.user, state.days], queryFn: ({ signal }: { signal: AbortSignal }) => readData(all, state.user, range, signal) });
  const now = useQuery({ ...read(bounds, "now"), refetchInterval: LIVE_MS });
  const earlier = useQuery({ ...read(before, "before"), staleTime: LIVE_MS });
  const sums = sumOf(now.data ?? []);
  const past = sumOf(earlier.data ?? []);
  const money = (value: number) => format.quota(value, value > 0 && format.usd(value) < 1 ? 4 : 2); // cents would hide small spending
  const show = (value: number) => (measure === "quota" ? money(value) : format.compact(value));
  const label = (time: number) => (grain === "hour" ? format.time(time).slice(5, 16) : format.time(time).slice(5, 10));
  const cut = useMemo(() => slots(now.data ?? [], bounds, grain, measure, COLORS.length - 1), [now.data, bounds, grain, measure]);
  const rows = cut.times.map((time, index) => ({ label: label(time), ...Object.fromEntries(cut.names.map((_, at) => [`s${at}`, cut.values[index]![at]!])) }));
  const change = (name: Measure) => (earlier.data ? changeOf(sums[name], past[name]) : null);
  const isEmpty = now.data !== undefined && now.data.length === 0;
  return (
    <>
      <PageHeader title={t("dashboard.title")} hint={t(all ? "dashboard.hintAll" : "dashboard.hintOwn")}>
        <SegmentedControl aria-label={t("dashboard.range")} value={String(state.days)} onChange={(days) => setState({ days: Number(days), grain: "" })} data={RANGES.map((days) => ({ value: String(days), label: t("dashboard.days", { count: days }) }))} />
        <Select w={110} aria-label={t("dashboard.grain")} allowDeselect={false} value={grain} onChange={(next) => setState({ grain: next ?? "" })} data={(["hour", "day", "week"] as const).map((value) => ({ value, label: t(`dashboard.by.${value}`) }))} />
        {isAdmin && <SegmentedControl aria-label={t("dashboard.whose")} value={state.mine ? "mine" : "all"} onChange={(value) => setState({ mine: value === "mine", user: "" })} data={[{ value: "all", label: t("dashboard.all") }, { value: "mine", label: t("dashboard.mine") }]} />}
        {all && <TextInput w={150} key={state.user} aria-label={t("dashboard.user")} placeholder={t("dashboard.user")} defaultValue={state.user} onChange={(event) => pickUser(event.currentTarget.value.trim())} />}
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          disabled={!now.data?.length}
          onClick={() => downloadText("usage.csv", writeCsv([["hour", "user", "model", "calls", "tokens", "quota", "usd"], ...(now.data ?? []).map((row) => [new Date(row.created_at * 1000).toISOString(), row.username, row.model_name, row.count, row.token_used, row.quota, format.usd(row.quota)])]), "text/csv")}
        >
          CSV
        </Button>
      </PageHeader>
      <SimpleGrid cols={{ base: 2, md: 4 }} mb="md">
        <Card withBorder><Stat label={t("dashboard.spend")} value={money(sums.quota)} change={change("quota")} loading={now.isPending} /></Card>
        <Card withBorder><Stat label={t("dashboard.calls")} value={format.number(sums.count)} change={change("count")} loading={now.isPending} /></Card>
        <Card withBorder><Stat label={t("dashboard.tokens")} value={format.compact(sums.token_used)} change={change("token_used")} loading={now.isPending} /></Card>
        <Card withBorder><Stat label={t("dashboard.balance")} value={format.quota(self?.quota ?? 0)} hint={t("dashboard.usedAll", { used: money(self?.used_quota ?? 0), calls: format.number(self?.request_count ?? 0) })} loading={!self} {...((self?.quota ?? 1) <= 0 ? { color: "red" } : {})} /></Card>
      </SimpleGrid>
      {now.error ? (
        <ErrorState error={now.error} onRetry={() => void now.refetch()} />
      ) : isEmpty ? (
        <Card withBorder>
          <EmptyState icon={IconChartAreaLine} message={t("dashboard.empty")} hint={t("dashboard.emptyHint")} action={<Button component={Link} to="/console/tokens" leftSection={<IconKey size={16} />}>{t("dashboard.toTokens")}</Button>} />
        </Card>
      ) : (
        <Grid>
          <Grid.Col span={12}>
            <Card withBorder>
              {now.isPending ? (
                <Skeleton h={300} />
              ) : (
                <TimeChart
                  title={t(`dashboard.over.${measure}`)}
                  kind="bar"
                  stacked
                  height={300}
                  rows={rows}
                  series={cut.names.map((name, at) => ({ name: `s${at}`, label: name || t("dashboard.others"), color: COLORS[at % COLORS.length]! }))}
                  formatValue={show}
                  extra={<SegmentedControl size="xs" aria-label={t("dashboard.measure")} value={measure} onChange={(next) => setState({ measure: next })} data={[{ value: "quota", label: t("dashboard.spend") }, { value: "count", label: t("dashboard.calls") }, { value: "token_used", label: t("dashboard.tokens") }]} />}
                />
              )}
            </Card>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 6 }}>
            <TopList title={t("dashboard.topModels")} rows={rank(now.data ?? [], "model_name", measure)} measure={measure} show={show} />
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 6 }}>
            {all ? <TopUsers bounds={bounds} measure={measure} show={show} onPick={(user) => setState({ user })} /> : <TopList title={t("dashboard.perCall")} rows={rank(now.data ?? [], "model_name", measure).map((row) => ({ ...row, quota: row.count ? Math.round(row.quota / row.count) : 0, token_used: row.count ? Math.round(row.token_used / row.count) : 0 })).sort((a, b) => b.quota - a.quota)} measure={measure === "count" ? "quota" : measure} show={(value) => (measure === "token_used" ? format.compact(value) : format.quota(value, 6))} />}
          </Grid.Col>
        </Grid>
      )}
    </>
  );
}

/** Of all users; the hourly sums of everybody come without names, so these are asked for by name. */
function TopUsers({ bounds, measure, show, onPick }: { bounds: Bounds; measure: Measure; show: (value: number) => string; onPick: (name: string) => void }) {
  const { t } = useTranslation();
  const users = useQuery({ queryKey: [...DATA, "users", bounds.from], queryFn: ({ signal }) => readUsers(bounds, signal), staleTime: LIVE_MS });
  if (users.isPending) return <Card withBorder h="100%"><Skeleton h={220} /></Card>;
  if (users.error) return <ErrorState error={users.error} onRetry={() => void users.refetch()} />;
  return <TopList title={t("dashboard.topUsers")} rows={[...(users.data ?? [])].sort((a, b) => b[measure] - a[measure])} measure={measure} show={show} onPick={onPick} />;
}
