// The audit trail: who changed what, from where; the newest first.
import { ActionIcon, Autocomplete, Code, ScrollArea, SimpleGrid, Stack, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconHistory, IconRotate } from "@tabler/icons-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { AuditEntry } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { SearchInput } from "@/shared/components/SearchInput";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { useFormat } from "@/shared/format/useFormat";
import { ACTIONS, listAudit, OPERATIONS, writeFacts, writeValue } from "../api/operations";

const DEFAULTS = { ...LIST_DEFAULTS, actor_id: "", action: "", target: "" };
const TYPING_MS = 400;

const Json = ({ value }: { value: unknown }) => <ScrollArea.Autosize mah={260}><Code block>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</Code></ScrollArea.Autosize>;
const isChange = (entry: AuditEntry) => (entry.before ?? null) !== null || (entry.after ?? null) !== null;

function Details({ entry }: { entry: AuditEntry }) {
  const { t } = useTranslation();
  return (
    <Stack gap="xs">
      {isChange(entry) && (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <div><Text size="xs" c="dimmed" mb={4}>{t("operations.audit.before")}</Text><Json value={entry.before ?? null} /></div>
          <div><Text size="xs" c="dimmed" mb={4}>{t("operations.audit.after")}</Text><Json value={entry.after ?? null} /></div>
        </SimpleGrid>
      )}
      {(Object.keys(entry.detail).length > 0 || !isChange(entry)) && <Json value={entry.detail} />}
    </Stack>
  );
}

export function AuditTable() {
  const { t } = useTranslation();
  const format = useFormat();
  const { state, setState, tableProps } = useList({
    key: [...OPERATIONS, "audit"],
    defaults: DEFAULTS,
    fetch: listAudit,
    filters: ({ actor_id, action, target }) => ({ actor_id, action, target }),
  });
  const filterAction = useDebouncedCallback((action: string) => setState({ action: action.trim() }), TYPING_MS);
  const columns = useMemo<Column<AuditEntry>[]>(() => {
    const pick = (label: string, text: string, changes: Partial<typeof DEFAULTS>) => <UnstyledButton display="block" fz={13.5} maw="100%" aria-label={t("operations.audit.only", { what: label, value: text })} onClick={() => setState(changes)}><Text size="sm" truncate title={text}>{text}</Text></UnstyledButton>;
    return [
      { id: "time", header: t("operations.audit.time"), width: 165, fixed: true, phone: "title", cell: (entry) => <Text size="sm" style={{ whiteSpace: "nowrap" }}>{format.time(entry.at)}</Text> },
      { id: "actor", header: t("operations.audit.actor"), width: 150, cell: (entry) => (entry.actor_id ? pick(t("operations.audit.actor"), entry.actor || `#${entry.actor_id}`, { actor_id: String(entry.actor_id) }) : entry.actor || "–") },
      { id: "action", header: t("operations.audit.action"), width: 190, cell: (entry) => pick(t("operations.audit.action"), entry.action, { action: entry.action }) },
      { id: "target", header: t("operations.audit.target"), width: 180, cell: (entry) => pick(t("operations.audit.target"), entry.target, { target: entry.target }) },
      { id: "what", header: t("operations.audit.what"), cell: (entry) => <Text size="sm" truncate>{isChange(entry) ? `${writeValue(entry.before) || "∅"} → ${writeValue(entry.after) || "∅"}` : writeFacts(entry.detail) || "–"}</Text> },
      { id: "ip", header: t("operations.audit.ip"), width: 140, cell: (entry) => <Text size="sm" className="num" truncate>{entry.ip || "–"}</Text> },
    ];
  }, [t, format, setState]);
  const active = state.actor_id || state.action || state.target;
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
          <SearchInput w={220} label={t("operations.audit.searchTarget")} value={state.target} onChange={(target) => setState({ target })} />
          <Autocomplete key={state.action} w={{ base: "100%", xs: 210 }} aria-label={t("operations.audit.action")} placeholder={t("operations.audit.action")} data={ACTIONS} defaultValue={state.action} limit={12} onChange={filterAction} />
          <SearchInput w={150} label={t("operations.audit.actorId")} value={state.actor_id} onChange={(actor_id) => setState({ actor_id: actor_id.replace(/\D/g, "") })} />
          {active && (
            <Tooltip label={t("shared.action.reset")}>
              <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("shared.action.reset")} onClick={() => setState({ actor_id: "", action: "", target: "" })}>
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
