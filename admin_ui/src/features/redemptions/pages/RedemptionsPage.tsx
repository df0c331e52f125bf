// Redemption codes: made in batches, handed out, redeemed once.
import { ActionIcon, Button, Group, Menu, Text } from "@mantine/core";
import { IconBan, IconCheck, IconCopy, IconDots, IconEdit, IconGift, IconPlayerPause, IconPlus, IconTicketOff, IconTrash } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Redemption } from "@/shared/api/types";
import { CopyButton } from "@/shared/components/CopyButton";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable, type RowKey } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { copyText } from "@/shared/domain/clipboard";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useUndo } from "@/shared/hooks/useUndo";
import { deleteCode, listCodes, REDEMPTIONS, setCodeStatus } from "../api/redemptions";
import { CodeDialog } from "../components/CodeDialog";

const DEFAULTS = { ...LIST_DEFAULTS, keyword: "" };
const LOOKS = { 1: { id: "usable", color: "teal", icon: IconCheck }, 2: { id: "disabled", color: "gray", icon: IconPlayerPause }, 3: { id: "used", color: "blue", icon: IconTicketOff } } as const;

export default function RedemptionsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const undo = useUndo();
  const { state, setState, tableProps } = useList({ key: [...REDEMPTIONS, "list"], defaults: DEFAULTS, fetch: listCodes });
  const [editing, setEditing] = useState<{ code?: Redemption } | null>(null);
  const [selected, setSelected] = useState<Set<RowKey>>(new Set());
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const status = useAction({ run: ({ id, to }: { id: number; to: number }) => setCodeStatus(id, to), refresh: [REDEMPTIONS] });
  const remove = useAction({ run: (id: number) => deleteCode(id), refresh: [REDEMPTIONS] });
  const copy = useAction({ run: (keys: string[]) => copyText(keys.join("\n")), done: t("shared.action.copied") });
  const rows = tableProps.rows?.filter((row) => !hidden.has(row.id));
  const removeWithUndo = (id: number) => {
    const show = () => setHidden((previous) => new Set([...previous].filter((one) => one !== id)));
    setHidden((previous) => new Set([...previous, id]));
    undo({ message: t("redemptions.deleted"), run: () => remove.mutate(id, { onError: show }), onUndo: show });
  };
  const columns = useMemo<Column<Redemption>[]>(
    () => [
      { id: "name", header: t("redemptions.field.name"), width: 130, fixed: true, phone: "title", cell: (row) => <Text size="sm" fw={600} truncate>{row.name}</Text> },
      { id: "status", header: t("redemptions.column.status"), width: 126, cell: (row) => { const look = LOOKS[row.status as 1] ?? LOOKS[2]; return <StatusBadge label={t(`redemptions.status.${look.id}`)} color={look.color} icon={look.icon} />; } },
      { id: "key", header: t("redemptions.column.code"), width: 200, cell: (row) => <Group gap={4} wrap="nowrap"><Text size="xs" ff="monospace" truncate>{row.key}</Text><CopyButton value={row.key} size="xs" /></Group> },
      { id: "quota", header: t("redemptions.field.quota"), width: 84, align: "right", cell: (row) => format.quota(row.quota) },
      { id: "created", header: t("redemptions.column.created"), width: 150, cell: (row) => <Text size="sm" c="dimmed" style={{ whiteSpace: "nowrap" }}>{format.time(row.created_time).slice(0, 16)}</Text> },
      { id: "expires", header: t("redemptions.field.expires"), width: 140, cell: (row) => <Text size="sm" c="dimmed" style={{ whiteSpace: "nowrap" }}>{row.expired_time ? format.time(row.expired_time).slice(0, 16) : t("redemptions.never")}</Text> },
      { id: "used", header: t("redemptions.column.usedBy"), width: 196, cell: (row) => (row.status === 3 ? <Text size="sm" style={{ whiteSpace: "nowrap" }}>{`#${row.used_user_id} · ${format.time(row.redeemed_time).slice(0, 16)}`}</Text> : "–") },
    ],
    [t, format],
  );
  return (
    <>
      <PageHeader title={t("redemptions.title")} hint={t("redemptions.hintPage")}>
        <Button leftSection={<IconPlus size={16} />} onClick={() => setEditing({})}>{t("redemptions.add")}</Button>
      </PageHeader>
      <DataTable
        id="redemptions"
        label={t("redemptions.title")}
        columns={columns}
        {...tableProps}
        rows={rows}
        rowKey={(row) => row.id}
        selected={selected}
        onSelect={setSelected}
        onOpen={(row) => row.status !== 3 && setEditing({ code: row })}
        dimmed={(row) => row.status !== 1}
        actionsWidth={60}
        rowActions={(row) => (
          <Menu position="bottom-end" shadow="md">
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" aria-label={t("redemptions.actionsOf", { name: row.name })}><IconDots size={17} /></ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              {row.status !== 3 && <Menu.Item leftSection={<IconEdit size={16} />} onClick={() => setEditing({ code: row })}>{t("shared.action.edit")}</Menu.Item>}
              {row.status === 1 && <Menu.Item leftSection={<IconBan size={16} />} onClick={() => status.mutate({ id: row.id, to: 2 })}>{t("shared.action.disable")}</Menu.Item>}
              {row.status === 2 && <Menu.Item leftSection={<IconCheck size={16} />} onClick={() => status.mutate({ id: row.id, to: 1 })}>{t("shared.action.enable")}</Menu.Item>}
              <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => removeWithUndo(row.id)}>{t("shared.action.delete")}</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
        toolbar={
          <>
            <SearchInput label={t("redemptions.search")} value={state.keyword} onChange={(keyword) => setState({ keyword })} />
            {selected.size > 0 && <Button size="xs" variant="default" leftSection={<IconCopy size={15} />} onClick={() => copy.mutate((rows ?? []).filter((row) => selected.has(row.id)).map((row) => row.key))}>{t("redemptions.copyAll")}</Button>}
          </>
        }
        empty={state.keyword ? <EmptyState message={t("redemptions.noMatch")} /> : <EmptyState icon={IconGift} message={t("redemptions.empty")} hint={t("redemptions.emptyHint")} action={<Button leftSection={<IconPlus size={16} />} onClick={() => setEditing({})}>{t("redemptions.add")}</Button>} />}
      />
      {editing && <CodeDialog code={editing.code} onClose={() => setEditing(null)} />}
    </>
  );
}
