// Tokens: the keys this user gives to programs.
import { ActionIcon, Badge, Button, Group, Menu, Progress, Text, Tooltip } from "@mantine/core";
import { IconBan, IconCheck, IconClockX, IconCoinOff, IconCopy, IconDots, IconEdit, IconKey, IconMessages, IconPlayerPause, IconPlayerPlay, IconPlugConnected, IconPlus, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import { runEach } from "@/shared/api/run-each";
import { useStatus } from "@/shared/api/status";
import type { Token } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable, type RowKey } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { readChatLinks } from "@/shared/domain/chat-links";
import { copyText } from "@/shared/domain/clipboard";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { useUndo } from "@/shared/hooks/useUndo";
import { batchTokens, deleteToken, listTokens, revealKey, setTokenStatus, shortKey, TOKENS, withoutSecret } from "../api/tokens";
import { ConnectDialog } from "../components/ConnectDialog";
import { TokenDialog } from "../components/TokenDialog";

const DEFAULTS = { ...LIST_DEFAULTS, keyword: "" };
const STATUS = {
  1: { id: "enabled", color: "teal", icon: IconCheck },
  2: { id: "disabled", color: "gray", icon: IconPlayerPause },
  3: { id: "expired", color: "orange", icon: IconClockX },
  4: { id: "exhausted", color: "red", icon: IconCoinOff },
} as const;

export default function TokensPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const chats = readChatLinks(useStatus()?.chats);
  const undo = useUndo();
  const confirm = useConfirm();
  const { state, setState, tableProps } = useList({ key: [...TOKENS, "list"], defaults: DEFAULTS, fetch: listTokens });
  const [selected, setSelected] = useState<Set<RowKey>>(new Set());
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [editing, setEditing] = useState<{ token?: Token } | null>(null);
  const [connecting, setConnecting] = useState<Token | null>(null);
  const status = useAction({ run: ({ id, to }: { id: number; to: number }) => setTokenStatus(id, to), refresh: [TOKENS] });
  const remove = useAction({ run: (ids: number[]) => (ids.length === 1 ? deleteToken(ids[0]!) : batchTokens(ids, "delete")), refresh: [TOKENS] });
  const batch = useAction({ run: (action: "enable" | "disable") => batchTokens([...selected].map(Number), action), done: t("tokens.done"), refresh: [TOKENS], onDone: () => setSelected(new Set()) });
  const copy = useAction({
    run: async (tokens: Token[]) => {
      const keys = new Map<number, string>();
      await runEach(tokens.map((token) => token.id), async (id) => keys.set(id, await revealKey(id)));
      if (keys.size < tokens.length) throw new Error(t("tokens.copyFailed"));
      await copyText(tokens.length === 1 ? keys.get(tokens[0]!.id)! : tokens.map((token) => `${token.name}    ${keys.get(token.id)}`).join("\n"));
    },
    done: t("tokens.copied"),
  });
  const removeWithUndo = (ids: number[]) => {
    const show = () => setHidden((previous) => new Set([...previous].filter((id) => !ids.includes(id))));
    setHidden((previous) => new Set([...previous, ...ids]));
    setSelected(new Set());
    undo({ message: t("tokens.deleted", { count: ids.length }), run: () => remove.mutate(ids, { onError: show }), onUndo: show });
  };

  const columns = useMemo<Column<Token>[]>(
    () => [
      {
        id: "name", header: t("tokens.field.name"), width: 150, fixed: true, phone: "title",
        cell: (token) => (
          <>
            <Text fw={600} size="sm" truncate>{token.name}</Text>
            {token.note && <Text size="xs" c="dimmed" truncate title={token.note}>{token.note}</Text>}
          </>
        ),
      },
      {
        id: "status", header: t("tokens.column.status"), width: 112,
        cell: (token) => {
          const look = STATUS[token.status as 1] ?? STATUS[2];
          return <StatusBadge label={t(`tokens.status.${look.id}`)} color={look.color} icon={look.icon} />;
        },
      },
      { id: "key", header: t("tokens.connect.key"), width: 114, cell: (token) => <Text size="xs" ff="monospace" c="dimmed" truncate>{shortKey(token.key)}</Text> },
      {
        id: "quota", header: t("tokens.column.usedOf"), width: 156,
        cell: (token) =>
          token.unlimited_quota ? (
            <Text size="sm">{t("tokens.unlimited", { used: format.quota(token.used_quota) })}</Text>
          ) : (
            <div>
              <Text size="sm">
                {format.quota(token.used_quota)} <Text span size="sm" c="dimmed">/ {format.quota(token.used_quota + token.remain_quota)}</Text>
              </Text>
              <Progress size={4} mt={3} value={(token.used_quota / Math.max(1, token.used_quota + token.remain_quota)) * 100} color={token.remain_quota <= 0 ? "red" : "medusa"} aria-label={t("tokens.column.usedOf")} />
            </div>
          ),
      },
      { id: "group", header: t("tokens.field.group"), width: 96, cell: (token) => (token.group ? <Badge color="gray">{token.group}</Badge> : <Text size="sm" c="dimmed">{t("tokens.ownGroup")}</Text>) },
      {
        id: "models", header: t("tokens.field.models"), width: 96,
        cell: (token) =>
          token.model_limits_enabled ? (
            <Tooltip label={splitList(token.model_limits).join(", ")} multiline maw={360}>
              <Badge color="blue" tabIndex={0}>{t("tokens.modelCount", { count: splitList(token.model_limits).length })}</Badge>
            </Tooltip>
          ) : (
            <Text size="sm" c="dimmed">{t("tokens.allModels")}</Text>
          ),
      },
      { id: "accessed", header: t("tokens.column.lastUsed"), width: 104, cell: (token) => <Text size="sm" c="dimmed" title={format.time(token.accessed_time)}>{token.accessed_time ? format.ago(token.accessed_time) : "–"}</Text> },
      { id: "expires", header: t("tokens.field.expires"), width: 148, cell: (token) => <Text size="sm" c="dimmed" style={{ whiteSpace: "nowrap" }}>{token.expired_time === -1 ? t("tokens.expiry.never") : format.time(token.expired_time).slice(0, 16)}</Text> },
      { id: "address", header: t("tokens.column.lastAddress"), width: 140, hidden: true, cell: (token) => <Text size="xs" ff="monospace" c="dimmed" truncate title={token.last_used_ip}>{token.last_used_ip || "–"}</Text> },
      { id: "created", header: t("tokens.column.created"), width: 160, hidden: true, cell: (token) => format.time(token.created_time) },
    ],
    [t, format],
  );
  const rows = tableProps.rows?.filter((row) => !hidden.has(row.id));
  return (
    <>
      <PageHeader title={t("tokens.title")} hint={t("tokens.hintPage")}>
        <Button leftSection={<IconPlus size={16} />} onClick={() => setEditing({})}>
          {t("tokens.add")}
        </Button>
      </PageHeader>
      <DataTable
        id="tokens"
        label={t("tokens.title")}
        columns={columns}
        {...tableProps}
        rows={rows}
        rowKey={(row) => row.id}
        selected={selected}
        onSelect={setSelected}
        onOpen={(token) => setEditing({ token })}
        dimmed={(row) => row.status !== 1}
        actionsWidth={120}
        rowActions={(token) => (
          <Group gap={2} wrap="nowrap" justify="flex-end">
            <Tooltip label={t("tokens.action.copy")}>
              <ActionIcon variant="subtle" color="gray" aria-label={t("tokens.action.copyOf", { name: token.name })} onClick={() => copy.mutate([token])}>
                <IconCopy size={17} />
              </ActionIcon>
            </Tooltip>
            <Tooltip label={t("tokens.action.connect")}>
              <ActionIcon variant="subtle" color="gray" aria-label={t("tokens.connect.title", { name: token.name })} onClick={() => setConnecting(token)}>
                <IconPlugConnected size={17} />
              </ActionIcon>
            </Tooltip>
            <Menu position="bottom-end" shadow="md">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={t("tokens.action.moreOf", { name: token.name })}>
                  <IconDots size={17} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown mah="60vh" style={{ overflowY: "auto" }}>
                <Menu.Item leftSection={<IconEdit size={16} />} onClick={() => setEditing({ token })}>{t("shared.action.edit")}</Menu.Item>
                {token.status === 1 ? (
                  <Menu.Item leftSection={<IconBan size={16} />} onClick={() => status.mutate({ id: token.id, to: 2 })}>{t("shared.action.disable")}</Menu.Item>
                ) : (
                  <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => status.mutate({ id: token.id, to: 1 })}>{t("shared.action.enable")}</Menu.Item>
                )}
                {token.status === 1 && chats.length > 0 && (
                  <>
                    <Menu.Divider />
                    <Menu.Label>{t("tokens.action.chat")}</Menu.Label>
                    {chats.map((chat) => (
                      <Menu.Item key={chat.index} leftSection={<IconMessages size={16} />} component={Link} to={`/chat/${chat.index}`} search={{ token: String(token.id) } as never}>{chat.name}</Menu.Item>
                    ))}
                  </>
                )}
                <Menu.Divider />
                <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => removeWithUndo([token.id])}>{t("shared.action.delete")}</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Group>
        )}
        toolbar={
          <>
            <SearchInput label={t("tokens.search")} value={state.keyword} onChange={(keyword) => setState({ keyword: withoutSecret(keyword) })} />
            {selected.size > 0 && (
              <Group gap="xs">
                <Button size="xs" variant="default" onClick={() => copy.mutate((rows ?? []).filter((row) => selected.has(row.id)))}>{t("tokens.copyAll")}</Button>
                <Button size="xs" variant="default" onClick={() => batch.mutate("enable")}>{t("shared.action.enable")}</Button>
                <Button size="xs" variant="default" onClick={() => batch.mutate("disable")}>{t("shared.action.disable")}</Button>
                <Button
                  size="xs"
                  variant="light"
                  color="red"
                  onClick={() => {
                    const ids = [...selected].map(Number);
                    if (ids.length <= 5) removeWithUndo(ids);
                    else confirm({ title: t("tokens.confirmDelete", { count: ids.length }), danger: true, typed: "DELETE", confirmLabel: t("shared.action.delete"), onConfirm: () => removeWithUndo(ids) });
                  }}
                >
                  {t("shared.action.delete")}
                </Button>
              </Group>
            )}
          </>
        }
        empty={
          state.keyword ? (
            <EmptyState message={t("tokens.noMatch")} />
          ) : (
            <EmptyState icon={IconKey} message={t("tokens.empty")} hint={t("tokens.emptyHint")} action={<Button leftSection={<IconPlus size={16} />} onClick={() => setEditing({})}>{t("tokens.add")}</Button>} />
          )
        }
      />
      {editing && <TokenDialog token={editing.token} onClose={() => setEditing(null)} />}
      {connecting && <ConnectDialog token={connecting} onClose={() => setConnecting(null)} />}
    </>
  );
}
