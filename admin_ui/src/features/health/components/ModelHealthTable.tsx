// Every model over all its channels; a row opens to where it is served, trouble first.
import { Anchor, Badge, Table, Text } from "@mantine/core";
import { IconCube } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/shared/components/EmptyState";
import { Sparkline } from "@/shared/components/charts/Sparkline";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { useFormat } from "@/shared/format/useFormat";
import { modelsQuery, type ModelRow, type WindowName } from "../api/health";
import { ErrorBar } from "./ErrorBar";
import { HealthBadge } from "./HealthBadge";
import { Pair } from "./Pair";

interface ModelHealthTableProps {
  window: WindowName;
  live: boolean;
  keyword: string;
  toolbar: ReactNode;
}
export function ModelHealthTable({ window, live, keyword, toolbar }: ModelHealthTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const models = useQuery(modelsQuery(window, live));
  const rows = useMemo(() => models.data?.filter((row) => row.model.toLowerCase().includes(keyword.toLowerCase())), [models.data, keyword]);
  const columns: Column<ModelRow>[] = [
    { id: "state", header: t("health.column.state"), width: 122, fixed: true, cell: (row) => <HealthBadge state={row.state} /> },
    { id: "model", header: t("health.column.model"), fixed: true, phone: "title", width: 220, cell: (row) => <Text size="sm" fw={600} truncate>{row.model}</Text> },
    { id: "success", header: t("health.column.success"), width: 90, align: "right", cell: (row) => (row.success_ratio === null ? "–" : <Text size="sm" fw={600} c={row.success_ratio < 0.9 ? "var(--bad)" : undefined}>{format.percent(row.success_ratio, 2)}</Text>) },
    { id: "spark", header: t("health.column.traffic"), width: 120, cell: (row) => <Sparkline width={100} ok={row.sparkline.ok} failed={row.sparkline.failed} label={t("health.sparkline", { calls: format.number(row.calls), failures: format.number(row.failures) })} /> },
    { id: "latency", header: t("health.column.latency"), width: 126, align: "right", cell: (row) => <Pair value={row.latency_ms} /> },
    { id: "ttft", header: t("health.column.ttft"), width: 132, align: "right", cell: (row) => <Pair value={row.ttft_ms} /> },
    { id: "rate", header: t("health.column.rate"), width: 92, align: "right", cell: (row) => <><Text size="sm">{format.number(row.rpm)}</Text><Text size="xs" c="dimmed">{format.compact(row.tpm)}</Text></> },
    { id: "errors", header: t("health.column.errors"), width: 112, cell: (row) => <ErrorBar errors={row.errors} /> },
    { id: "spend", header: t("health.column.spend"), width: 84, align: "right", cell: (row) => format.quota(row.quota) },
  ];
  return (
    <DataTable
      id="health-models"
      label={t("health.view.models")}
      columns={columns}
      rows={rows}
      rowKey={(row) => row.model}
      isPending={models.isPending}
      error={models.error}
      onRetry={() => void models.refetch()}
      toolbar={toolbar}
      expand={(row) => <OnChannels row={row} />}
      empty={<EmptyState icon={IconCube} message={t("health.noCalls")} />}
    />
  );
}

function OnChannels({ row }: { row: ModelRow }) {
  const { t } = useTranslation();
  const format = useFormat();
  const ms = (value: number | null) => (value === null ? "–" : format.ms(value));
  return (
    <Table.ScrollContainer minWidth={620} type="native">
      <Table verticalSpacing={6} fz="sm" className="num" aria-label={t("health.onChannels", { model: row.model })}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("health.column.channel")}</Table.Th>
            <Table.Th ta="right">{t("health.column.success")}</Table.Th>
            <Table.Th ta="right">{t("health.total.calls")}</Table.Th>
            <Table.Th ta="right">{t("health.total.latency")}</Table.Th>
            <Table.Th ta="right">{t("health.total.ttft")}</Table.Th>
            <Table.Th ta="right">{t("health.column.spend")}</Table.Th>
            <Table.Th />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {row.on_channels.map((on) => (
            <Table.Tr key={on.channel_id}>
              <Table.Td>
                <Anchor component={Link} to={`/console/health/${on.channel_id}`} size="sm">{on.name || t("health.channelNumber", { id: on.channel_id })}</Anchor>
                {on.breaker !== "closed" && <Badge ml={8} color="orange">{t(`health.breaker.${on.breaker === "open" ? "open" : "half_open"}`)}</Badge>}
              </Table.Td>
              <Table.Td ta="right">{on.success_ratio === null ? "–" : format.percent(on.success_ratio, 2)}</Table.Td>
              <Table.Td ta="right">{format.number(on.calls)}</Table.Td>
              <Table.Td ta="right">{ms(on.latency_ms_p95)}</Table.Td>
              <Table.Td ta="right">{ms(on.ttft_ms_p95)}</Table.Td>
              <Table.Td ta="right">{format.quota(on.quota)}</Table.Td>
              <Table.Td ta="right"><Anchor component={Link} to="/console/logs" search={{ type: 5, channel: String(on.channel_id), model: row.model } as never} size="sm">{t("health.error.calls")}</Anchor></Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
