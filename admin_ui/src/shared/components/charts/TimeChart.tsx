// A chart over time with its figures as a table behind a switch; the chart library is loaded only when one is on screen.
import { ActionIcon, Box, Group, ScrollArea, Skeleton, Table, Text, Tooltip } from "@mantine/core";
import { IconChartBar, IconTable } from "@tabler/icons-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";

export interface ChartSeries {
  name: string; // key in the rows
  label: string;
  color: string; // theme colour, e.g. "medusa.5"
}
export interface TimeChartProps {
  title: string;
  extra?: ReactNode; // right of the title
  rows: Record<string, number | string | null>[]; // each has `label`; null: nothing was measured
  series: ChartSeries[];
  kind?: "area" | "bar" | "line";
  stacked?: boolean;
  height?: number; // px
  formatValue: (value: number) => string;
}

const MantineChart = lazy(() => import("./MantineChart"));

export function TimeChart(props: TimeChartProps) {
  const { t } = useTranslation();
  const [asTable, setAsTable] = useState(false);
  const height = props.height ?? 220;
  return (
    <Box component="figure" m={0} aria-label={props.title}>
      <Group justify="space-between" mb="xs" wrap="nowrap">
        <Text fw={600} size="sm" component="figcaption">
          {props.title}
        </Text>
        <Group gap="xs">
          {props.extra}
          <Tooltip label={t(asTable ? "shared.chart.asChart" : "shared.chart.asTable")}>
            <ActionIcon variant="subtle" color="gray" aria-label={t(asTable ? "shared.chart.asChart" : "shared.chart.asTable")} onClick={() => setAsTable(!asTable)}>
              {asTable ? <IconChartBar size={16} /> : <IconTable size={16} />}
            </ActionIcon>
          </Tooltip>
        </Group>
      </Group>
      {asTable ? (
        <ScrollArea h={height} viewportProps={{ tabIndex: 0, role: "region", "aria-label": props.title }}>
          <Table striped stickyHeader className="num" fz="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("shared.chart.time")}</Table.Th>
                {props.series.map((series) => (
                  <Table.Th key={series.name}>{series.label}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {props.rows.map((row) => (
                <Table.Tr key={String(row["label"])}>
                  <Table.Td>{row["label"]}</Table.Td>
                  {props.series.map((series) => (
                    <Table.Td key={series.name}>{row[series.name] === null ? "–" : props.formatValue(Number(row[series.name] ?? 0))}</Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea>
      ) : (
        <Suspense fallback={<Skeleton h={height} />}>
          <MantineChart {...props} height={height} />
        </Suspense>
      )}
    </Box>
  );
}
