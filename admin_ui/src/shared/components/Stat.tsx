// One figure with its name, and what it was before.
import { Box, Group, Skeleton, Text } from "@mantine/core";
import { IconArrowDownRight, IconArrowUpRight } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/shared/format/useFormat";

const CHANGE_SHOWN = 0.0005; // less would be written as 0 %

interface StatProps {
  label: string;
  value: ReactNode;
  hint?: ReactNode;
  change?: number | null; // ratio against the period before: 0.12 = +12 %
  goodWhen?: "up" | "down"; // which direction is good; neither: neutral colour
  loading?: boolean;
  color?: string;
}
export function Stat({ label, value, hint, change, goodWhen, loading = false, color }: StatProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const up = (change ?? 0) > 0;
  const tone = !change || !goodWhen ? "dimmed" : up === (goodWhen === "up") ? "var(--good)" : "var(--bad)";
  return (
    <Box style={{ minWidth: 0 }}>
      <Text size="xs" c="dimmed" fw={500} truncate>
        {label}
      </Text>
      {loading ? (
        <Skeleton h={26} w={90} mt={4} />
      ) : (
        <Group gap={8} align="baseline" wrap="nowrap">
          <Text size="xl" fw={650} className="num" lts="-0.02em" {...(color ? { c: color } : {})} style={{ whiteSpace: "nowrap" }}>
            {value}
          </Text>
          {change !== undefined && change !== null && Number.isFinite(change) && Math.abs(change) >= CHANGE_SHOWN && (
            <Text size="xs" fw={600} c={tone} className="num" title={t("shared.stat.before")} style={{ display: "inline-flex", alignItems: "center", whiteSpace: "nowrap" }}>
              {up ? <IconArrowUpRight size={13} aria-hidden /> : <IconArrowDownRight size={13} aria-hidden />}
              {format.percent(Math.abs(change), 1)}
            </Text>
          )}
        </Group>
      )}
      {hint && !loading && (
        <Text size="xs" c="dimmed" truncate component="div">
          {hint}
        </Text>
      )}
    </Box>
  );
}
