// At a glance: do the books agree, do the jobs run, which processes are alive.
import { Card, SimpleGrid } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Stat } from "@/shared/components/Stat";
import { useFormat } from "@/shared/format/useFormat";
import { booksQuery, jobsQuery, lastLoss, lastReconciliation, nodesQuery, stateOf } from "../api/operations";

const BAD = "var(--bad)";

export function Overview() {
  const { t } = useTranslation();
  const format = useFormat();
  const [books, jobs, nodes] = [useQuery(booksQuery), useQuery(jobsQuery), useQuery(nodesQuery)];
  const unread = (failed: boolean) => (failed ? { hint: t("operations.unread") } : {});
  const looked = jobs.data && lastReconciliation(jobs.data);
  const failing = jobs.data?.filter((job) => stateOf(job) === "failed").length ?? 0;
  const drifts = books.data?.drifts ?? null;
  const lostAt = books.data ? lastLoss(books.data, Date.now() / 1000) : null;
  const drift = books.data?.drift_units ?? null;
  const booksHint = lostAt !== null ? { hint: <span style={{ color: BAD }}>{t("operations.books.lost", { ago: format.ago(lostAt) })}</span> } : drift !== null ? { hint: t("operations.books.drift", { amount: format.quota(drift) }) } : unread(books.isError);
  const edges = nodes.data?.filter((node) => node.role === "edge").length ?? 0;
  const workers = (nodes.data?.length ?? 0) - edges;
  const booksText = !books.data ? "–" : drifts === null ? t("operations.books.unknown") : drifts === 0 ? t("operations.books.agree") : t("operations.books.differ", { count: drifts });
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} mb="md" spacing="sm">
      <Card py="sm">
        <Stat label={t("operations.books.title")} loading={books.isPending} value={booksText} {...(drifts ? { color: BAD } : {})} {...booksHint} />
      </Card>
      <Card py="sm">
        <Stat label={t("operations.books.last")} loading={jobs.isPending} value={looked ? format.ago(looked.started_at) : "–"} {...(looked?.ok === false ? { color: BAD } : {})} {...(looked ? { hint: looked.error || format.time(looked.started_at) } : unread(jobs.isError))} />
      </Card>
      <Card py="sm">
        <Stat label={t("operations.tab.jobs")} loading={jobs.isPending} value={jobs.data ? format.number(jobs.data.length) : "–"} {...(failing ? { color: BAD } : {})} {...(jobs.data ? { hint: failing ? t("operations.failing", { count: failing }) : t("operations.noneFailing") } : unread(jobs.isError))} />
      </Card>
      <Card py="sm">
        <Stat label={t("operations.tab.nodes")} loading={nodes.isPending} value={nodes.data ? format.number(nodes.data.length) : "–"} {...(nodes.data ? { hint: `${t("operations.node.edge")} ${edges} · ${t("operations.node.worker")} ${workers}` } : unread(nodes.isError))} />
      </Card>
    </SimpleGrid>
  );
}
