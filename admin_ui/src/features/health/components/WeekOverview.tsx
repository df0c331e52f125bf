// The last week of many channels as one heat map: a row a channel, a cell three hours, coloured by success rate.
import { Anchor, Box, Card, Group, ScrollArea, Skeleton, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { useFormat } from "@/shared/format/useFormat";
import { type ChannelHealth, heatLevel, WEEK_CHANNELS_MAX, weekQuery } from "../api/health";
import { HeatLegend } from "./HeatLegend";
import classes from "./WeekHeatMap.module.css";

const HOURS = 3; // of a cell
const CELLS = 168 / HOURS;

export function WeekOverview({ channels, toolbar }: { channels: ChannelHealth[]; toolbar: ReactNode }) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const shown = channels.slice(0, WEEK_CHANNELS_MAX);
  const week = useQuery({ ...weekQuery(shown.map((row) => row.channel_id)), placeholderData: keepPreviousData, enabled: shown.length > 0 });
  const names = new Map(shown.map((row) => [row.channel_id, row.name]));
  const begin = week.data?.[0]?.begin ?? 0;
  const at = (cell: number) => new Date((begin + cell * HOURS * 3600) * 1000);
  return (
    <Card p={0}>
      <Group gap="xs" p="10px 12px" style={{ borderBottom: "1px solid var(--line)" }}>{toolbar}</Group>
      {shown.length === 0 ? (
        <EmptyState message={t("health.noMatch")} hint={t("health.noMatchHint")} />
      ) : week.isPending ? (
        <Skeleton h={320} m="md" />
      ) : week.isError ? (
        <ErrorState error={week.error} onRetry={() => void week.refetch()} />
      ) : (
        <Box p="md">
          <ScrollArea viewportProps={{ tabIndex: 0, role: "region", "aria-label": t("health.week.all") }}>
            <table className={classes.grid} data-wide aria-label={t("health.week.all")}>
              <thead>
                <tr>
                  <td />
                  {Array.from({ length: 7 }, (_, day) => (
                    <th key={day} scope="col" colSpan={CELLS / 7}>{at(day * (CELLS / 7)).toLocaleDateString(i18n.language, { weekday: "short", day: "numeric" })}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {week.data.map((row) => (
                  <tr key={row.channel_id}>
                    <th scope="row"><Anchor component={Link} to={`/console/health/${row.channel_id}`} size="xs" c="inherit" truncate display="block" lh="24px">{names.get(row.channel_id)}</Anchor></th>
                    {Array.from({ length: CELLS }, (_, cell) => {
                      const sum = (figures: number[]) => figures.slice(cell * HOURS, (cell + 1) * HOURS).reduce((a, b) => a + b, 0);
                      const [calls, failures] = [sum(row.calls), sum(row.failures)];
                      const words = calls > 0 ? t("health.week.cell", { rate: format.percent(1 - failures / calls), calls: format.number(calls) }) : t("health.week.none");
                      return (
                        <td key={cell} title={`${at(cell).toLocaleString(i18n.language, { weekday: "short", hour: "2-digit", minute: "2-digit" })} · ${words}`}>
                          <div className={classes.cell} data-level={heatLevel(calls, failures)}><span className="visually-hidden">{words}</span></div>
                        </td>
                      );
                    })}
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollArea>
          <HeatLegend />
          {channels.length > shown.length && <Text size="xs" c="dimmed" mt="sm">{t("health.week.first", { count: shown.length })}</Text>}
        </Box>
      )}
    </Card>
  );
}
