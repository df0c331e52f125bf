// A median and a p95, the median in the background.
import { Text } from "@mantine/core";
import { useFormat } from "@/shared/format/useFormat";

interface PairProps {
  value: { p50: number | null; p95: number | null };
  slower?: string; // why the p95 is marked
}
export function Pair({ value, slower }: PairProps) {
  const format = useFormat();
  if (value.p95 === null) return <>–</>;
  return (
    <Text size="sm" className="num" title={slower ?? "p50 / p95"} style={{ whiteSpace: "nowrap" }}>
      <Text span c="dimmed" size="sm">{value.p50 === null ? "–" : format.ms(value.p50)}</Text> / <Text span size="sm" {...(slower ? { c: "var(--warn)", fw: 600 } : {})}>{format.ms(value.p95)}</Text>
    </Text>
  );
}
