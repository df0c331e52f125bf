// Tasks: music and video that take minutes, with progress, result and price.
import { Badge, Code, Group, Progress, ScrollArea, Select, Text } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconChecklist, IconClock, IconLoader } from "@tabler/icons-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useIsAdmin } from "@/shared/api/self";
import type { Task } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { useFormat } from "@/shared/format/useFormat";
import { listTasks, percentOf, TASKS } from "../api/tasks";

const DEFAULTS = { ...LIST_DEFAULTS, task_id: "", status: "" };
const LIVE_MS = 5000;
const LOOKS = { SUCCESS: { id: "success", color: "teal", icon: IconCheck }, FAILURE: { id: "failure", color: "red", icon: IconAlertTriangle }, IN_PROGRESS: { id: "running", color: "blue", icon: IconLoader } } as const;
const WAITING = { id: "waiting", color: "gray", icon: IconClock } as const;

export default function TasksPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const isAdmin = useIsAdmin();
  const { state, setState, tableProps } = useList({ key: [...TASKS, isAdmin], defaults: DEFAULTS, fetch: (list, signal) => listTasks(isAdmin, list, signal), refetchInterval: () => LIVE_MS });
  const columns = useMemo<Column<Task>[]>(
    () => [
      { id: "time", header: t("tasks.column.time"), width: 160, fixed: true, phone: "title", cell: (row) => format.time(row.submit_time || row.created_at) },
      { id: "platform", header: t("tasks.column.platform"), width: 110, cell: (row) => <Badge color="grape">{row.platform}</Badge> },
      { id: "action", header: t("tasks.column.action"), width: 110, cell: (row) => row.action },
      { id: "status", header: t("tasks.column.status"), width: 130, cell: (row) => { const look = row.status in LOOKS ? LOOKS[row.status as keyof typeof LOOKS] : WAITING; return <StatusBadge label={t(`tasks.status.${look.id}`)} color={look.color} icon={look.icon} {...(row.fail_reason ? { hint: row.fail_reason } : {})} />; } },
      { id: "progress", header: t("tasks.column.progress"), width: 140, cell: (row) => <Progress value={percentOf(row.progress)} animated={row.status === "IN_PROGRESS"} aria-label={t("tasks.progressOf", { percent: percentOf(row.progress) })} /> },
      { id: "id", header: "ID", cell: (row) => <Text size="xs" ff="monospace" truncate>{row.task_id}</Text> },
      { id: "quota", header: t("tasks.column.price"), width: 110, align: "right", cell: (row) => format.quota(row.quota, 4) },
      ...(isAdmin ? [{ id: "user", header: t("tasks.column.user"), width: 80, cell: (row: Task) => `#${row.user_id}` }, { id: "channel", header: t("tasks.column.channel"), width: 90, cell: (row: Task) => `#${row.channel_id}` }] : []),
    ],
    [t, format, isAdmin],
  );
  return (
    <>
      <PageHeader title={t("tasks.title")} hint={t("tasks.hint")} />
      <DataTable
        id="tasks"
        label={t("tasks.title")}
        columns={columns}
        {...tableProps}
        rowKey={(row) => row.id}
        expand={(row) => <ScrollArea.Autosize mah={320}><Code block>{JSON.stringify({ properties: row.properties, data: row.data }, null, 2)}</Code></ScrollArea.Autosize>}
        toolbar={
          <Group gap="xs">
            <SearchInput label={t("tasks.search")} value={state.task_id} onChange={(task_id) => setState({ task_id })} />
            <Select w={160} clearable aria-label={t("tasks.column.status")} placeholder={t("tasks.column.status")} value={state.status || null} onChange={(status) => setState({ status: status ?? "" })} data={Object.entries(LOOKS).map(([value, look]) => ({ value, label: t(`tasks.status.${look.id}`) }))} />
          </Group>
        }
        empty={<EmptyState icon={IconChecklist} message={t(state.task_id || state.status ? "tasks.noMatch" : "tasks.empty")} hint={t("tasks.emptyHint")} />}
      />
    </>
  );
}
