// Operations: what runs this installation and who changed it, for root.
import { Tabs } from "@mantine/core";
import { IconCalendarClock, IconHistory, IconServer } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";
import { useUrlState } from "@/shared/hooks/url-state";
import { AuditTable } from "../components/AuditTable";
import { JobTable } from "../components/JobTable";
import { NodeTable } from "../components/NodeTable";
import { Overview } from "../components/Overview";

const DEFAULTS = { tab: "jobs", page: 1 }; // another tab begins at its first page
const TABS = {
  jobs: { icon: IconCalendarClock, Table: JobTable },
  nodes: { icon: IconServer, Table: NodeTable },
  audit: { icon: IconHistory, Table: AuditTable },
} as const;
type TabName = keyof typeof TABS;
const NAMES = Object.keys(TABS) as TabName[];

export default function OperationsPage() {
  const { t } = useTranslation();
  const [state, setState] = useUrlState(DEFAULTS);
  const tab = NAMES.find((name) => name === state.tab) ?? "jobs";
  return (
    <>
      <PageHeader title={t("operations.title")} hint={t("operations.hint")} />
      <Overview />
      <Tabs value={tab} onChange={(name) => setState({ tab: name ?? "jobs" })} keepMounted={false}>
        <Tabs.List mb="md" aria-label={t("operations.title")}>
          {NAMES.map((name) => {
            const { icon: IconOf } = TABS[name];
            return <Tabs.Tab key={name} value={name} leftSection={<IconOf size={16} aria-hidden />}>{t(`operations.tab.${name}`)}</Tabs.Tab>;
          })}
        </Tabs.List>
        {NAMES.map((name) => {
          const { Table } = TABS[name];
          return <Tabs.Panel key={name} value={name}><Table /></Tabs.Panel>;
        })}
      </Tabs>
    </>
  );
}
