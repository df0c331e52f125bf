// The audit trail: who changed what, from where, before and after; filtered, by time, and as a file.
import { ActionIcon, Button, Code, ScrollArea, Select, SimpleGrid, Stack, Table, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { DateTimePicker } from "@mantine/dates";
import "@mantine/dates/styles.layer.css";
import { IconDownload, IconHistory, IconRotate } from "@tabler/icons-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { AuditEntry } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { SearchInput } from "@/shared/components/SearchInput";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { downloadText, writeCsv } from "@/shared/format/download";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { ACTIONS, auditRows, differencesOf, exportAudit, listAudit, OPERATIONS, writeFacts, writeValue } from "../api/operations";

const FILTERS = { actor: "", action: "", target: "", from: 0, to: 0 };
const DEFAULTS = { ...LIST_DEFAULTS, ...FILTERS };
const SUBJECTS = ["channel", "job", "ledger", "log", "option", "order", "redemption", "redis", "token", "user"];

const Value = ({ value }: { value: unknown }) => <ScrollArea.Autosize mah={260}><Code block>{typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2)}</Code></ScrollArea.Autosize>;
const isChange = (entry: AuditEntry) => (entry.before ?? null) !== null || (entry.after ?? null) !== null;
const changeInLine = (entry: AuditEntry): string => {
  const members = differencesOf(entry);
  if (!members) return `${writeValue(entry.before) || "∅"} → ${writeValue(entry.after) || "∅"}`;
  return members.map(({ member, before, after }) => `${member}: ${writeValue(before) || "∅"} → ${writeValue(after) || "∅"}`).join(", ");
};

function Details({ entry }: { entry: AuditEntry }) {
  const { t } = useTranslation();
  const members = differencesOf(entry);
  const facts = Object.entries(entry.detail);
  return (
    <Stack gap="xs">
      {members ? (
        <Table fz="sm" w="auto" aria-label={t("operations.audit.what")}>
          <Table.Thead><Table.Tr><Table.Th>{t("operations.audit.member")}</Table.Th><Table.Th>{t("operations.audit.before")}</Table.Th><Table.Th>{t("operations.audit.after")}</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {members.map(({ member, before, after }) => (
              <Table.Tr key={member}><Table.Td>{member}</Table.Td><Table.Td c="dimmed">{writeValue(before) || t("operations.audit.none")}</Table.Td><Table.Td>{writeValue(after) || t("operations.audit.none")}</Table.Td></Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      ) : (
        isChange(entry) && (
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <div><Text size="xs" c="dimmed" mb={4}>{t("operations.audit.before")}</Text><Value value={entry.before} /></div>
            <div><Text size="xs" c="dimmed" mb={4}>{t("operations.audit.after")}</Text><Value value={entry.after} /></div>
          </SimpleGrid>
        )
      )}
      {facts.length > 0 && (
        <Table fz="sm" w="auto" aria-label={t("operations.audit.what")}>
          <Table.Thead><Table.Tr><Table.Th>{t("operations.audit.fact")}</Table.Th><Table.Th>{t("operations.audit.value")}</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {facts.map(([name, value]) => <Table.Tr key={name}><Table.Td>{name}</Table.Td><Table.Td style={{ overflowWrap: "anywhere" }}>{writeValue(value) || t("operations.audit.none")}</Table.Td></Table.Tr>)}
          </Table.Tbody>
        </Table>
      )}
      {facts.length === 0 && !isChange(entry) && <Text size="sm" c="dimmed">{t("operations.audit.none")}</Text>}
    </Stack>
  );
}

const wire = ({ actor, action, target, from, to }: typeof FILTERS) => ({ actor, action, target, start_timestamp: from || undefined, end_timestamp: to || undefined });

export function AuditTable() {
  const { t } = useTranslation();
  const format = useFormat();
  const nameOf = useMemo(() => (action: string) => (ACTIONS.includes(action) ? t(`operations.did.${action.replace(".", "_")}`) : action), [t]);
  const { state, setState, tableProps } = useList({
    key: [...OPERATIONS, "audit"],
    defaults: DEFAULTS,
    fetch: listAudit,
    filters: wire,
  });
  const download = useAction({ run: () => exportAudit(wire(state)), done: (rows) => t("operations.audit.exported", { count: rows.length }), onDone: (rows) => downloadText("audit.csv", writeCsv(auditRows(rows)), "text/csv") });
  const columns = useMemo<Column<AuditEntry>[]>(() => {
    const pick = (label: string, text: string, changes: Partial<typeof DEFAULTS>) => <UnstyledButton display="block" fz={13.5} maw="100%" aria-label={t("operations.audit.only", { what: label, value: text })} onClick={() => setState(changes)}><Text size="sm" truncate title={text}>{text}</Text></UnstyledButton>;
    const targetOf = (target: string) => {
      const [subject = "", ...rest] = target.split(":");
      return SUBJECTS.includes(subject) ? `${t(`operations.subject.${subject}`)} ${rest.join(":")}`.trim() : target;
    };
    return [
      { id: "time", header: t("operations.audit.time"), width: 165, fixed: true, phone: "title", cell: (entry) => <Text size="sm" style={{ whiteSpace: "nowrap" }}>{format.time(entry.at)}</Text> },
      { id: "actor", header: t("operations.audit.actor"), width: 150, cell: (entry) => (entry.actor ? pick(t("operations.audit.actor"), entry.actor, { actor: entry.actor }) : entry.actor_id ? `#${entry.actor_id}` : "–") },
      { id: "action", header: t("operations.audit.action"), width: 190, cell: (entry) => pick(t("operations.audit.action"), nameOf(entry.action), { action: entry.action }) },
      { id: "target", header: t("operations.audit.target"), width: 180, cell: (entry) => pick(t("operations.audit.target"), targetOf(entry.target), { target: entry.target }) },
      { id: "what", header: t("operations.audit.what"), cell: (entry) => <Text size="sm" truncate>{isChange(entry) ? changeInLine(entry) : writeFacts(entry.detail) || "–"}</Text> },
      { id: "ip", header: t("operations.audit.ip"), width: 140, cell: (entry) => <Text size="sm" className="num" truncate>{entry.ip || "–"}</Text> },
    ];
  }, [t, format, setState, nameOf]);
  const active = Boolean(state.actor || state.action || state.target || state.from || state.to);
  const moment = (seconds: number) => (seconds ? new Date(seconds * 1000) : null);
  const seconds = (value: string | null) => (value ? Math.floor(new Date(value).getTime() / 1000) : 0);
  return (
    <DataTable
      id="audit"
      label={t("operations.tab.audit")}
      columns={columns}
      {...tableProps}
      rowKey={(entry) => entry.id}
      expand={(entry) => <Details entry={entry} />}
      toolbar={
        <>
          <SearchInput w={200} label={t("operations.audit.searchTarget")} value={state.target} onChange={(target) => setState({ target })} />
          <Select w={{ base: "100%", xs: 190 }} searchable clearable aria-label={t("operations.audit.action")} placeholder={t("operations.audit.anyAction")} data={ACTIONS.map((value) => ({ value, label: nameOf(value) }))} value={state.action || null} onChange={(action) => setState({ action: action ?? "" })} />
          <SearchInput w={140} label={t("operations.audit.who")} value={state.actor} onChange={(actor) => setState({ actor })} />
          <DateTimePicker w={{ base: "48%", xs: 165 }} clearable valueFormat="YYYY-MM-DD HH:mm" aria-label={t("operations.audit.from")} placeholder={t("operations.audit.from")} value={moment(state.from)} onChange={(value) => setState({ from: seconds(value) })} />
          <DateTimePicker w={{ base: "48%", xs: 165 }} clearable valueFormat="YYYY-MM-DD HH:mm" aria-label={t("operations.audit.to")} placeholder={t("operations.audit.to")} value={moment(state.to)} onChange={(value) => setState({ to: seconds(value) })} />
          <Button variant="default" leftSection={<IconDownload size={16} />} loading={download.isPending} onClick={() => download.mutate()}>{t("operations.audit.export")}</Button>
          {active && (
            <Tooltip label={t("shared.action.reset")}>
              <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("shared.action.reset")} onClick={() => setState(FILTERS)}>
                <IconRotate size={17} />
              </ActionIcon>
            </Tooltip>
          )}
        </>
      }
      empty={<EmptyState icon={IconHistory} message={t(active ? "operations.audit.noMatch" : "operations.audit.empty")} hint={t(active ? "operations.audit.noMatchHint" : "operations.audit.emptyHint")} />}
    />
  );
}
