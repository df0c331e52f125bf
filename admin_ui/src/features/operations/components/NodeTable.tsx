// Processes that are alive: edges that answer calls, workers that book them.
import { Text } from "@mantine/core";
import { IconCpu, IconServer } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { ServerNode } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { useFormat } from "@/shared/format/useFormat";
import { nodesQuery } from "../api/operations";

const LAG_WARN_S = 5;
const none = "–";

export function NodeTable() {
  const { t } = useTranslation();
  const format = useFormat();
  const nodes = useQuery(nodesQuery);
  const columns = useMemo<Column<ServerNode>[]>(
    () => [
      { id: "name", header: t("operations.node.name"), width: 230, fixed: true, phone: "title", cell: (node) => <Text size="sm" fw={600} ff="monospace" truncate title={node.name}>{node.name}</Text> },
      { id: "role", header: t("operations.node.role"), width: 130, cell: (node) => (node.role === "edge" ? <StatusBadge label={t("operations.node.edge")} color="blue" icon={IconServer} /> : <StatusBadge label={t("operations.node.worker")} color="grape" icon={IconCpu} />) },
      { id: "version", header: t("operations.node.version"), width: 120, cell: (node) => <Text size="sm" className="num" truncate>{node.version || none}</Text> },
      { id: "started", header: t("operations.node.started"), width: 140, cell: (node) => (node.started_at ? <Text size="sm" title={format.time(node.started_at)}>{format.ago(node.started_at)}</Text> : none) },
      { id: "seen", header: t("operations.node.seen"), width: 130, cell: (node) => <Text size="sm" title={format.time(node.seen_at)}>{format.ago(node.seen_at)}</Text> },
      { id: "calls", header: t("operations.node.calls"), width: 130, align: "right", cell: (node) => (node.in_flight === null ? none : format.number(node.in_flight)) },
      { id: "lag", header: t("operations.node.lag"), width: 130, align: "right", cell: (node) => (node.lag_s === null ? none : <Text size="sm" className="num" {...(node.lag_s >= LAG_WARN_S ? { c: "var(--bad)", fw: 600 } : {})}>{format.ms(Math.round(node.lag_s * 1000))}</Text>) },
      { id: "partitions", header: t("operations.node.partitions"), width: 110, align: "right", cell: (node) => (node.partitions === null ? none : format.number(node.partitions)) },
      { id: "settings", header: t("operations.node.settings"), width: 140, align: "right", hidden: true, cell: (node) => (node.settings_version === null ? none : String(node.settings_version)) },
    ],
    [t, format],
  );
  return (
    <DataTable
      id="nodes"
      label={t("operations.tab.nodes")}
      columns={columns}
      rows={nodes.data}
      rowKey={(node) => `${node.role} ${node.name} ${node.started_at}`}
      isPending={nodes.isPending}
      error={nodes.error}
      onRetry={() => void nodes.refetch()}
      toolbar={<Text size="sm" c="dimmed">{t("operations.node.hint")}</Text>}
      empty={<EmptyState icon={IconServer} message={t("operations.node.empty")} />}
    />
  );
}
