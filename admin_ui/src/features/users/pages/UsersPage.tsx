// Users: who has an account, what it holds and used, and what may be done about it.
import { ActionIcon, Badge, Button, Group, Menu, Select, Text } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconBan, IconCheck, IconCoin, IconDots, IconEdit, IconPlus, IconShieldCheck, IconShieldOff, IconTrash, IconUserOff, IconUsers } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { Role, roleName, type User } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { allGroupsQuery, listUsers, manageUser, resetSecondStep, type UserAction, USERS } from "../api/users";
import { QuotaDialog } from "../components/QuotaDialog";
import { UserDialog } from "../components/UserDialog";

const DEFAULTS = { ...LIST_DEFAULTS, keyword: "", group: "" };
const ROLE_COLORS = { user: "gray", admin: "blue", root: "grape" } as const;

export default function UsersPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const confirm = useConfirm();
  const self = useSelf();
  const groups = useQuery(allGroupsQuery);
  const { state, setState, tableProps } = useList({ key: [...USERS, "list"], defaults: DEFAULTS, fetch: listUsers });
  const [editing, setEditing] = useState<{ user?: User } | null>(null);
  const [granting, setGranting] = useState<User | null>(null);
  const manage = useAction({ run: ({ id, action }: { id: number; action: UserAction }) => manageUser(id, action), done: (_, { action }) => t(`users.done.${action}`), refresh: [USERS] });
  const resetStep = useAction({ run: (user: User) => resetSecondStep(user.id), done: t("users.done.resetSecondStep"), refresh: [USERS] });
  const isRoot = (self?.role ?? 0) >= Role.root;
  const mayTouch = (user: User) => !user.DeletedAt && (isRoot || user.role < (self?.role ?? 0));

  const columns = useMemo<Column<User>[]>(
    () => [
      { id: "id", header: "ID", width: 70, cell: (user) => user.id },
      { id: "name", header: t("users.field.username"), width: 190, fixed: true, phone: "title", cell: (user) => <Text size="sm" fw={600} truncate>{user.username}{user.display_name && user.display_name !== user.username && <Text span size="sm" c="dimmed" fw={400}> {user.display_name}</Text>}</Text> },
      {
        id: "status", header: t("users.column.status"), width: 120,
        cell: (user) => (user.DeletedAt ? <StatusBadge label={t("users.status.deleted")} color="gray" icon={IconTrash} /> : user.status === 1 ? <StatusBadge label={t("users.status.enabled")} color="teal" icon={IconCheck} /> : <StatusBadge label={t("users.status.disabled")} color="red" icon={IconUserOff} />),
      },
      { id: "role", header: t("users.field.role"), width: 110, cell: (user) => <Badge color={ROLE_COLORS[roleName(user.role)]}>{t(`users.role.${roleName(user.role)}`)}</Badge> },
      { id: "secondStep", header: t("users.column.secondStep"), width: 120, cell: (user) => (user.two_factor ? <StatusBadge label={t("users.secondStep.on")} color="teal" icon={IconShieldCheck} /> : <Text size="sm" c="dimmed">{t("users.secondStep.off")}</Text>) },
      { id: "group", header: t("users.field.group"), width: 120, cell: (user) => <Badge color="gray">{user.group}</Badge> },
      { id: "balance", header: t("users.column.balance"), width: 130, align: "right", cell: (user) => <Text size="sm" fw={600} className="num" {...(user.quota <= 0 ? { c: "red" } : {})}>{format.quota(user.quota)}</Text> },
      { id: "used", header: t("users.column.used"), width: 130, align: "right", cell: (user) => format.quota(user.used_quota) },
      { id: "calls", header: t("users.column.calls"), width: 110, align: "right", cell: (user) => format.number(user.request_count) },
      { id: "email", header: t("users.column.email"), width: 190, hidden: true, cell: (user) => <Text size="sm" truncate>{user.email}</Text> },
      { id: "invited", header: t("users.column.invited"), width: 210, hidden: true, cell: (user) => `${format.number(user.aff_count)} · ${format.quota(user.aff_history_quota)}${user.inviter_id ? ` · ${t("users.inviter", { id: user.inviter_id })}` : ""}` },
    ],
    [t, format],
  );
  const ask = (user: User, action: "delete" | "disable" | "demote") => confirm({ title: t(`users.confirm.${action}`, { name: user.username }), danger: true, ...(action === "delete" ? { typed: user.username } : {}), confirmLabel: t(`users.action.${action}`), onConfirm: () => manage.mutateAsync({ id: user.id, action }) });
  const askReset = (user: User) => confirm({ title: t("users.confirm.resetSecondStep", { name: user.username }), message: t("users.confirm.resetSecondStepHint"), danger: true, confirmLabel: t("users.action.resetSecondStep"), onConfirm: () => resetStep.mutateAsync(user) });
  return (
    <>
      <PageHeader title={t("users.title")} hint={t("users.hintPage")}>
        <Button leftSection={<IconPlus size={16} />} onClick={() => setEditing({})}>{t("users.add")}</Button>
      </PageHeader>
      <DataTable
        id="users"
        label={t("users.title")}
        columns={columns}
        {...tableProps}
        rowKey={(user) => user.id}
        onOpen={(user) => mayTouch(user) && setEditing({ user })}
        dimmed={(user) => user.status !== 1 || Boolean(user.DeletedAt)}
        actionsWidth={60}
        rowActions={(user) =>
          mayTouch(user) && (
            <Menu position="bottom-end" shadow="md">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={t("users.actionsOf", { name: user.username })}><IconDots size={17} /></ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item leftSection={<IconEdit size={16} />} onClick={() => setEditing({ user })}>{t("shared.action.edit")}</Menu.Item>
                <Menu.Item leftSection={<IconCoin size={16} />} onClick={() => setGranting(user)}>{t("users.action.grant")}</Menu.Item>
                {user.two_factor && <Menu.Item color="red" leftSection={<IconShieldOff size={16} />} onClick={() => askReset(user)}>{t("users.action.resetSecondStep")}</Menu.Item>}
                {user.role < Role.root && (
                  <>
                    <Menu.Divider />
                    {user.status === 1 ? <Menu.Item leftSection={<IconBan size={16} />} onClick={() => ask(user, "disable")}>{t("users.action.disable")}</Menu.Item> : <Menu.Item leftSection={<IconCheck size={16} />} onClick={() => manage.mutate({ id: user.id, action: "enable" })}>{t("users.action.enable")}</Menu.Item>}
                    {isRoot && user.role < Role.admin && <Menu.Item leftSection={<IconArrowUp size={16} />} onClick={() => manage.mutate({ id: user.id, action: "promote" })}>{t("users.action.promote")}</Menu.Item>}
                    {isRoot && user.role === Role.admin && <Menu.Item leftSection={<IconArrowDown size={16} />} onClick={() => ask(user, "demote")}>{t("users.action.demote")}</Menu.Item>}
                    <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => ask(user, "delete")}>{t("users.action.delete")}</Menu.Item>
                  </>
                )}
              </Menu.Dropdown>
            </Menu>
          )
        }
        toolbar={
          <Group gap="xs">
            <SearchInput label={t("users.search")} value={state.keyword} onChange={(keyword) => setState({ keyword })} w={280} />
            <Select w={170} clearable aria-label={t("users.field.group")} placeholder={t("users.field.group")} data={groups.data ?? []} value={state.group || null} onChange={(group) => setState({ group: group ?? "" })} />
          </Group>
        }
        empty={<EmptyState icon={IconUsers} message={t(state.keyword || state.group ? "users.noMatch" : "users.empty")} />}
      />
      {editing && <UserDialog user={editing.user} onClose={() => setEditing(null)} />}
      {granting && <QuotaDialog user={granting} onClose={() => setGranting(null)} />}
    </>
  );
}
