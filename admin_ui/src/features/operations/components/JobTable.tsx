// Background jobs: how the last run of each went, when the next is, and one more at once.
import { Button, Code, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconCalendarClock, IconCheck, IconMinus, IconPlayerPlay } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Job } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { byTrouble, jobsQuery, OPERATIONS, readSchedule, runJob, stateOf } from "../api/operations";

const LOOKS = {
  ok: { color: "teal", icon: IconCheck },
  failed: { color: "red", icon: IconAlertTriangle },
  never: { color: "gray", icon: IconMinus },
} as const;

function Details({ job }: { job: Job }) {
  const { t } = useTranslation();
  return (
    <Stack gap="xs">
      {job.error && <Code block c="var(--bad)">{job.error}</Code>}
      {job.result && <Code block>{job.result}</Code>}
      <Text size="sm" c="dimmed">{t("operations.job.facts", { node: job.node || "–", timeout: job.timeout_s })}</Text>
    </Stack>
  );
}

export function JobTable() {
  const { t } = useTranslation();
  const format = useFormat();
  const confirm = useConfirm();
  const jobs = useQuery(jobsQuery);
  const run = useAction({ run: runJob, done: (_, name) => t("operations.job.queued", { name }), refresh: [[...OPERATIONS]] });
  const rows = useMemo(() => jobs.data && [...jobs.data].sort(byTrouble), [jobs.data]);
  const columns = useMemo<Column<Job>[]>(() => {
    const schedule = (job: Job) => {
      const read = readSchedule(job.schedule);
      if (!read) return job.schedule || t("operations.job.onDemand");
      return read.unit === "daily" ? t("operations.every.daily", { at: read.at }) : t(`operations.every.${read.unit}`, { count: read.count });
    };
    return [
      { id: "name", header: t("operations.job.name"), width: 170, fixed: true, phone: "title", cell: (job) => <Text size="sm" fw={600} ff="monospace" truncate title={job.name}>{job.name}</Text> },
      { id: "state", header: t("operations.job.state"), width: 125, cell: (job) => <StatusBadge label={t(`operations.state.${stateOf(job)}`)} {...LOOKS[stateOf(job)]} {...(job.error ? { hint: job.error } : {})} /> },
      { id: "schedule", header: t("operations.job.schedule"), width: 125, cell: schedule },
      { id: "started", header: t("operations.job.started"), width: 105, cell: (job) => (job.started_at ? <Text size="sm" title={format.time(job.started_at)}>{format.ago(job.started_at)}</Text> : "–") },
      { id: "took", header: t("operations.job.took"), width: 80, align: "right", cell: (job) => (job.seconds === null ? "–" : format.ms(Math.round(job.seconds * 1000))) },
      { id: "next", header: t("operations.job.next"), width: 105, cell: (job) => (job.next_at ? <Text size="sm" title={format.time(job.next_at)}>{job.next_at * 1000 > Date.now() ? format.ago(job.next_at) : t("operations.job.due")}</Text> : "–") },
      { id: "runs", header: t("operations.job.runs"), width: 120, align: "right", cell: (job) => <Text size="sm" className="num">{format.number(job.runs)}{job.failures > 0 && <Text span size="sm" c="var(--bad)"> · {t("operations.job.failures", { count: job.failures })}</Text>}</Text> },
      { id: "result", header: t("operations.job.result"), cell: (job) => <Text size="sm" truncate {...(job.error ? { c: "var(--bad)" } : {})} title={job.error || job.result}>{job.error || job.result || "–"}</Text> },
    ];
  }, [t, format]);
  return (
    <DataTable
      id="jobs"
      label={t("operations.tab.jobs")}
      columns={columns}
      rows={rows}
      rowKey={(job) => job.name}
      isPending={jobs.isPending}
      error={jobs.error}
      onRetry={() => void jobs.refetch()}
      expand={(job) => <Details job={job} />}
      actionsWidth={130}
      rowActions={(job) =>
        job.may_run_now && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPlayerPlay size={14} />}
            loading={run.isPending && run.variables === job.name}
            aria-label={t("operations.job.runOf", { name: job.name })}
            onClick={() => confirm({ title: t("operations.job.ask", { name: job.name }), message: t("operations.job.askHint"), confirmLabel: t("operations.job.run"), onConfirm: () => run.mutateAsync(job.name) })}
          >
            {t("operations.job.run")}
          </Button>
        )
      }
      toolbar={<Group gap="xs"><Text size="sm" c="dimmed">{t("operations.job.hint")}</Text></Group>}
      empty={<EmptyState icon={IconCalendarClock} message={t("operations.job.empty")} hint={t("operations.job.emptyHint")} />}
    />
  );
}
