// Dashboard: spend, calls and tokens over any time, by model, user, channel or token, against the time before.
import { Button, Card, Grid, SegmentedControl, Select, SimpleGrid, Skeleton, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconChartAreaLine, IconDownload, IconKey } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useMemo, useState } from "react";
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
import { changeOf, clockOffset, cut, DATA, type Dimension, type Entry, type Grain, grainsOf, type Measure, measureOf, rangeBefore, rangeOf, RANGES, type RangeName, readUsage, usualGrain } from "../api/usage";
import { Heading, Switcher, TopList } from "../components/TopList";

const CustomRange = lazy(() => import("../components/CustomRange"));
const DEFAULTS = { range: "7", from: "", to: "", grain: "", measure: "quota", by: "model", top: "user", mine: false, user: "" };
const COLORS = ["medusa.5", "teal.6", "orange.5", "blue.5", "grape.5", "lime.6", "cyan.6", "pink.5", "gray.5"];
const LIVE_MS = 60_000;
const MEASURES = ["quota", "calls", "tokens"] as const;

export default function DashboardPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const self = useSelf();
  const isAdmin = useIsAdmin();
  const [state, setState] = useUrlState(DEFAULTS);
  const [nowS] = useState(() => Math.floor(Date.now() / 1000));
  const all = isAdmin && !state.mine;
  const pickUser = useDebouncedCallback((user: string) => setState({ user }), 350);
  const measure = (MEASURES as readonly string[]).includes(state.measure) ? (state.measure as Measure) : "quota";
  const dimensions: Dimension[] = all ? ["model", "user", "channel", "token", "group"] : ["model", "token", "group"];
  const by = dimensions.find((one) => one === state.by) ?? "model";
  const others = dimensions.filter((one) => one !== by);
  const top = others.find((one) => one === state.top) ?? others[0]!;
  const range = useMemo(() => rangeOf((RANGES.find((one) => one === state.range) ?? "7") as RangeName, nowS, state.from, state.to), [state.range, state.from, state.to, nowS]);
  const grains = grainsOf(range);
  const grain = grains.find((one) => one === state.grain) ?? grains.find((one) => one === usualGrain(range)) ?? grains[0]!;
  const offset = clockOffset(range.to);
  const ask = (dimension: Dimension, of: typeof range, step: Grain) => ({
    queryKey: [...DATA, all, state.user, dimension, of, step],
    queryFn: ({ signal }: { signal: AbortSignal }) => readUsage({ ...of, all, by: dimension, step, user: state.user }, signal),
    placeholderData: keepPreviousData,
  });
  const now = useQuery({ ...ask(by, range, grain), refetchInterval: LIVE_MS });
  const before = rangeBefore(range);
  const earlier = useQuery({ ...ask(by, before, "week"), staleTime: LIVE_MS });
  const second = useQuery({ ...ask(top, range, "week"), staleTime: LIVE_MS });

  const sums = now.data?.total;
  const past = earlier.data?.total;
  const money = (quota: number) => format.quota(quota, moneyDigits(format.usd(sums?.quota ?? 0)));
  const show = (value: number) => (measure === "quota" ? money(value) : format.compact(value));
  const label = (at: number) => (grain === "hour" ? format.time(at).slice(5, 16) : format.time(at).slice(5, 10));
  const nameOf = (dimension: Dimension) => (entry: Pick<Entry, "key" | "name">) => (entry.key === "0" ? t("dashboard.without") : entry.name || (entry.key ? t("dashboard.gone", { kind: t(`dashboard.of.${dimension}`), id: entry.key }) : t("dashboard.others")));
  const chart = useMemo(() => now.data && cut(now.data, range, grain, measure, offset), [now.data, range, grain, measure, offset]);
  const rows = chart?.times.map((time, row) => ({ label: label(time), ...Object.fromEntries(chart.series.map((_, column) => [`s${column}`, chart.values[row]![column]!])) })) ?? [];
  const pick = (dimension: Dimension) => (entry: Entry) => {
    if (dimension === "user") setState({ user: entry.name, by: "model" });
    else if (dimension === "channel") void navigate({ to: `/console/health/${entry.key}` });
    else void navigate({ to: "/console/logs", search: { [dimension]: entry.name } as never });
  };
  const download = () =>
    downloadText(
      "usage.csv",
      writeCsv([
        ["time", by, "calls", "errors", "prompt_tokens", "cached_tokens", "completion_tokens", "quota", "usd", "saved_usd"],
        ...(now.data?.slots ?? []).map((slot) => [new Date(slot.at * 1000).toISOString(), slot.key === "" ? t("dashboard.others") : slot.name || slot.key, slot.calls, slot.errors, slot.prompt_tokens, slot.cached_tokens, slot.completion_tokens, slot.quota, format.usd(slot.quota), format.usd(slot.quota_saved)]),
      ]),
      "text/csv",
    );
  const cachedShare = sums?.prompt_tokens ? sums.cached_tokens / sums.prompt_tokens : 0;
  const choices = (list: readonly Dimension[]) => list.map((value) => ({ value, label: t(`dashboard.of.${value}`) }));
  return (
    <>
      <PageHeader title={t("dashboard.title")} hint={t(all ? "dashboard.hintAll" : "dashboard.hintOwn")}>
        <SegmentedControl style={{ maxWidth: "100%", overflowX: "auto" }} aria-label={t("dashboard.range")} value={state.range} onChange={(next) => setState({ range: next, grain: "" })} data={RANGES.map((name) => ({ value: name, label: Number(name) ? t("dashboard.days", { count: Number(name) }) : t(`dashboard.named.${name}`) }))} />
        {state.range === "custom" && (
          <Suspense fallback={<Skeleton w={230} h={36} />}>
            <CustomRange from={state.from} to={state.to} onChange={(from, to) => setState({ from, to, grain: "" })} />
          </Suspense>
        )}
        <Select w={110} aria-label={t("dashboard.grain")} allowDeselect={false} value={grain} onChange={(next) => setState({ grain: next ?? "" })} data={grains.map((value) => ({ value, label: t(`dashboard.by.${value}`) }))} />
        {isAdmin && <SegmentedControl aria-label={t("dashboard.whose")} value={state.mine ? "mine" : "all"} onChange={(value) => setState({ mine: value === "mine", user: "" })} data={[{ value: "all", label: t("dashboard.all") }, { value: "mine", label: t("dashboard.mine") }]} />}
        {all && <TextInput w={130} key={state.user} aria-label={t("dashboard.user")} placeholder={t("dashboard.user")} defaultValue={state.user} onChange={(event) => pickUser(event.currentTarget.value.trim())} />}
        <Button variant="default" leftSection={<IconDownload size={16} />} disabled={!now.data?.slots.length} onClick={download}>CSV</Button>
      </PageHeader>
      <SimpleGrid cols={{ base: 2, md: 3, xl: 5 }} mb="md">
        <Card><Stat label={t("dashboard.spend")} value={money(sums?.quota ?? 0)} change={changeOf(sums?.quota ?? 0, past?.quota)} hint={past ? t("dashboard.before", { value: money(past.quota) }) : undefined} loading={now.isPending} /></Card>
        <Card><Stat label={t("dashboard.calls")} value={format.number(sums?.calls ?? 0)} change={changeOf(sums?.calls ?? 0, past?.calls)} hint={sums?.errors ? t("dashboard.errors", { count: sums.errors }) : undefined} loading={now.isPending} /></Card>
        <Card><Stat label={t("dashboard.tokens")} value={format.compact((sums?.prompt_tokens ?? 0) + (sums?.completion_tokens ?? 0))} change={changeOf(sums ? measureOf(sums, "tokens") : 0, past && measureOf(past, "tokens"))} hint={sums ? t("dashboard.inOut", { prompt: format.compact(sums.prompt_tokens), completion: format.compact(sums.completion_tokens) }) : undefined} loading={now.isPending} /></Card>
        <Card><Stat label={t("dashboard.saved")} value={money(sums?.quota_saved ?? 0)} change={changeOf(sums?.quota_saved ?? 0, past?.quota_saved)} goodWhen="up" hint={t("dashboard.cachedShare", { share: format.percent(cachedShare, 0) })} loading={now.isPending} /></Card>
        <Card><Stat label={t("dashboard.balance")} value={format.quota(self?.quota ?? 0)} hint={t("dashboard.usedAll", { used: format.quota(self?.used_quota ?? 0), calls: format.number(self?.request_count ?? 0) })} loading={!self} {...((self?.quota ?? 1) <= 0 ? { color: "var(--bad)" } : {})} /></Card>
      </SimpleGrid>
      {now.error ? (
        <ErrorState error={now.error} onRetry={() => void now.refetch()} />
      ) : now.data && now.data.total.calls === 0 ? (
        <Card>
          <EmptyState icon={IconChartAreaLine} message={t("dashboard.empty")} hint={t("dashboard.emptyHint")} action={<Button component={Link} to="/console/tokens" leftSection={<IconKey size={16} />}>{t("dashboard.toTokens")}</Button>} />
        </Card>
      ) : (
        <Grid>
          <Grid.Col span={12}>
            <Card>
              {!chart ? (
                <Skeleton h={300} />
              ) : (
                <TimeChart
                  title={t(`dashboard.over.${measure}`)}
                  kind="bar"
                  stacked
                  height={300}
                  rows={rows}
                  series={chart.series.map((one, at) => ({ name: `s${at}`, label: nameOf(by)(one), color: COLORS[at % COLORS.length]! }))}
                  formatValue={show}
                  extra={
                    <>
                      <Select size="xs" w={120} aria-label={t("dashboard.series")} allowDeselect={false} value={by} onChange={(next) => setState({ by: next ?? "model" })} data={choices(dimensions)} />
                      <Switcher label={t("dashboard.measure")} value={measure} options={MEASURES.map((value) => ({ value, label: t(`dashboard.${value === "quota" ? "spend" : value}`) }))} onChange={(next) => setState({ measure: next })} />
                    </>
                  }
                />
              )}
            </Card>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 6 }}>
            <TopList title={<Heading>{t(`dashboard.top.${by}`)}</Heading>} entries={now.data?.entries} measure={measure} show={show} nameOf={nameOf(by)} onPick={pick(by)} />
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 6 }}>
            <TopList title={<><Heading>{t(`dashboard.top.${top}`)}</Heading><Select size="xs" w={120} aria-label={t("dashboard.secondList")} allowDeselect={false} value={top} onChange={(next) => setState({ top: next ?? "" })} data={choices(others)} /></>} entries={second.data?.entries} measure={measure} show={show} nameOf={nameOf(top)} onPick={pick(top)} />
          </Grid.Col>
        </Grid>
      )}
    </>
  );
}

/** One number of digits for all amounts of the page: cents would hide small spending, more would be noise in large. */
function moneyDigits(usd: number): number {
  return usd >= 1 ? 2 : usd >= 0.01 || usd === 0 ? 4 : 6;
}
