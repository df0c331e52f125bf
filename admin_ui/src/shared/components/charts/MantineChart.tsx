// The loaded-later part of TimeChart: Mantine's charts in our dress.
import "@mantine/charts/styles.layer.css";
import { AreaChart, BarChart, LineChart } from "@mantine/charts";
import type { TimeChartProps } from "./TimeChart";

const MARGIN = { margin: { top: 10, right: 8 } }; // the uppermost figure stands at its line

export default function MantineChart({ rows, series, kind = "area", stacked = false, height = 220, formatValue }: TimeChartProps) {
  const shared = {
    h: height,
    data: rows,
    dataKey: "label",
    series: series.map(({ name, label, color }) => ({ name, label, color })),
    valueFormatter: formatValue,
    withLegend: series.length > 1,
    legendProps: { verticalAlign: "bottom" as const, height: 30 },
    styles: { legend: { paddingTop: 8 }, legendItemName: { fontSize: 12 } },
    tickLine: "none" as const,
    gridAxis: "x" as const,
    yAxisProps: { width: "auto" as const, interval: 0 as const }, // figures of any length: $0.000360 as well as 12K
    xAxisProps: { minTickGap: 32 },
    tooltipAnimationDuration: 0,
  };
  if (kind === "bar") return <BarChart {...shared} barChartProps={MARGIN} {...(stacked ? { type: "stacked" as const } : {})} maxBarWidth={28} barProps={{ isAnimationActive: false }} />;
  if (kind === "line") return <LineChart {...shared} lineChartProps={MARGIN} connectNulls curveType="monotone" withDots={false} strokeWidth={2} lineProps={{ isAnimationActive: false }} />;
  return (
    <AreaChart {...shared} areaChartProps={MARGIN} {...(stacked ? { type: "stacked" as const } : {})} curveType="monotone" withDots={false} strokeWidth={2} fillOpacity={0.18} areaProps={{ isAnimationActive: false }} />
  );
}
