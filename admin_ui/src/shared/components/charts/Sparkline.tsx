// A tiny stacked bar line (successes below, failures on top), drawn as plain SVG so that thousands of rows stay cheap.
interface SparklineProps {
  ok: number[];
  failed: number[];
  label: string; // what a screen reader says
  width?: number;
  height?: number;
}
export function Sparkline({ ok, failed, label, width = 120, height = 26 }: SparklineProps) {
  const n = Math.max(ok.length, 1);
  const top = Math.max(1, ...ok.map((value, index) => value + (failed[index] ?? 0)));
  const step = width / n;
  let good = "";
  let bad = "";
  for (let i = 0; i < n; i++) {
    const okPx = ((ok[i] ?? 0) / top) * (height - 1);
    const badPx = (failed[i] ?? 0) > 0 ? Math.max(2, ((failed[i] ?? 0) / top) * (height - 1)) : 0;
    const x = (i * step).toFixed(1);
    const w = Math.max(1, step - 0.7).toFixed(1);
    if (okPx > 0) good += `M${x} ${height}h${w}v${-okPx.toFixed(1)}h-${w}z`;
    if (badPx > 0) bad += `M${x} ${(height - okPx).toFixed(1)}h${w}v${-badPx.toFixed(1)}h-${w}z`;
  }
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} style={{ display: "block", overflow: "visible" }}>
      <path d={`M0 ${height - 0.5}H${width}`} stroke="var(--line)" />
      <path d={good} fill="light-dark(var(--mantine-color-teal-5), var(--mantine-color-teal-7))" />
      <path d={bad} fill="light-dark(var(--mantine-color-red-6), var(--mantine-color-red-5))" />
    </svg>
  );
}
