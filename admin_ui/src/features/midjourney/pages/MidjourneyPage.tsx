// Midjourney: drawings with their progress, picture, price and, where one failed, the reason and the money that went back.
import { Alert, Anchor, Badge, Code, Group, Image, Modal, Progress, ScrollArea, Select, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle, IconBellOff, IconBrush, IconCheck, IconClock, IconLoader, IconMessageQuestion } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { readJsonObject } from "@/shared/api/json-text";
import { useIsAdmin } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import type { Midjourney } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { TaskPrice } from "@/shared/components/TaskPrice";
import { startOf, TaskRange } from "@/shared/components/TaskRange";
import { useFormat } from "@/shared/format/useFormat";
import { ACTIONS, DRAWINGS, isRunning, listDrawings, percentOf } from "../api/drawings";

const DEFAULTS = { ...LIST_DEFAULTS, mj_id: "", status: "", action: "", channel_id: "", user_id: "", since: "any" };
const LIVE_MS = 5000;
const LONG_MS = 60_000; // a drawing that took longer is shown in red
const LOOKS = {
  SUCCESS: { id: "success", color: "teal", icon: IconCheck },
  FAILURE: { id: "failure", color: "red", icon: IconAlertTriangle },
  IN_PROGRESS: { id: "running", color: "blue", icon: IconLoader },
  MODAL: { id: "modal", color: "orange", icon: IconMessageQuestion },
} as const;
const WAITING = { id: "waiting", color: "gray", icon: IconClock } as const;
const lookOf = (status: string) => (status in LOOKS ? LOOKS[status as keyof typeof LOOKS] : WAITING);
const isPicture = (url: string) => /^(https?:)?\//.test(url);

function Details({ row }: { row: Midjourney }) {
  const { t } = useTranslation();
  const facts = { ...(row.properties ? readJsonObject(row.properties) : {}), state: row.state || undefined, code: row.code };
  return (
    <Stack gap="xs">
      <Text size="sm" style={{ whiteSpace: "pre-wrap" }}>{row.prompt || "–"}</Text>
      {row.prompt_en && row.prompt_en !== row.prompt && <Text size="sm" c="dimmed" style={{ whiteSpace: "pre-wrap" }}>{row.prompt_en}</Text>}
      {row.fail_reason && <Text size="sm" c="red">{t("midjourney.failedBecause", { reason: row.fail_reason })}</Text>}
      <ScrollArea.Autosize mah={240}><Code block>{JSON.stringify(facts, null, 2)}</Code></ScrollArea.Autosize>
    </Stack>
  );
}

export default function MidjourneyPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const isAdmin = useIsAdmin();
  const status = useStatus();
  const [shown, setShown] = useState<Midjourney | null>(null);
  const { state, setState, tableProps } = useList({
    key: [...DRAWINGS, isAdmin],
    defaults: DEFAULTS,
    fetch: (list, signal) => listDrawings(isAdmin, list, signal),
    filters: ({ mj_id, status, action, channel_id, user_id, since }) => {
      const start = startOf(since);
      return { mj_id, status, action, start_timestamp: start && start * 1000, ...(isAdmin ? { channel_id, user_id } : {}) };
    },
    refetchInterval: () => LIVE_MS,
  });
  const columns = useMemo<Column<Midjourney>[]>(
    () => [
      { id: "time", header: t("midjourney.column.time"), width: 164, fixed: true, phone: "title", cell: (row) => <Text size="sm" style={{ whiteSpace: "nowrap" }}>{format.time(Math.floor(row.submit_time / 1000))}</Text> },
      { id: "picture", header: t("midjourney.column.picture"), width: 70, cell: (row) => (row.image_url && isPicture(row.image_url) ? <UnstyledButton aria-label={t("midjourney.open")} onClick={() => setShown(row)}><Image src={row.image_url} alt="" w={44} h={32} fit="cover" radius="sm" loading="lazy" /></UnstyledButton> : "–") },
      { id: "action", header: t("midjourney.column.action"), width: 122, cell: (row) => <Group gap={4} wrap="nowrap"><Badge color="grape">{row.action}</Badge>{row.mode && <Badge color="gray" variant="outline">{row.mode}</Badge>}</Group> },
      { id: "status", header: t("midjourney.column.status"), width: 118, cell: (row) => { const look = lookOf(row.status); return <StatusBadge label={t(`midjourney.status.${look.id}`)} color={look.color} icon={look.icon} {...(row.fail_reason ? { hint: row.fail_reason } : {})} />; } },
      { id: "progress", header: t("midjourney.column.progress"), width: 92, cell: (row) => <Progress value={percentOf(row.progress)} animated={isRunning(row)} color={row.status === "FAILURE" ? "red" : "medusa"} aria-label={t("midjourney.progressOf", { percent: percentOf(row.progress) })} /> },
      { id: "took", header: t("midjourney.column.took"), width: 84, align: "right", cell: (row) => (row.finish_time > row.submit_time ? <Text size="sm" className="num" {...(row.finish_time - row.submit_time > LONG_MS ? { c: "red" } : {})}>{format.ms(row.finish_time - row.submit_time)}</Text> : "–") },
      { id: "quota", header: t("midjourney.column.price"), width: 158, align: "right", cell: (row) => <TaskPrice quota={row.quota} refunded={row.refunded} label={t("midjourney.refunded")} /> },
      { id: "prompt", header: t("midjourney.column.prompt"), cell: (row) => <><Text size="sm" truncate title={row.prompt}>{row.prompt}</Text>{row.fail_reason && <Text size="xs" c="red" truncate title={row.fail_reason}>{row.fail_reason}</Text>}</> },
      ...(isAdmin ? [{ id: "user", header: t("midjourney.column.user"), width: 68, cell: (row: Midjourney) => `#${row.user_id}` }, { id: "channel", header: t("midjourney.column.channel"), width: 76, cell: (row: Midjourney) => `#${row.channel_id}` }] : []),
      { id: "id", header: "ID", width: 190, hidden: true, cell: (row) => <Text size="xs" ff="monospace" truncate>{row.mj_id}</Text> },
    ],
    [t, format, isAdmin],
  );
  const active = state.mj_id || state.status || state.action || state.channel_id || state.user_id || state.since !== "any";
  return (
    <>
      <PageHeader title={t("midjourney.title")} hint={t("midjourney.hint")} />
      {isAdmin && status?.mj_notify_enabled === false && <Alert color="blue" mb="md" icon={<IconBellOff size={18} />}>{t("midjourney.notifyOff")}</Alert>}
      <DataTable
        id="drawings"
        label={t("midjourney.title")}
        columns={columns}
        {...tableProps}
        rowKey={(row) => row.id}
        expand={(row) => <Details row={row} />}
        toolbar={
          <Group gap="xs">
            <SearchInput label={t("midjourney.search")} value={state.mj_id} onChange={(mj_id) => setState({ mj_id })} />
            <Select w={140} clearable aria-label={t("midjourney.column.status")} placeholder={t("midjourney.column.status")} value={state.status || null} onChange={(status) => setState({ status: status ?? "" })} data={Object.entries(LOOKS).map(([value, look]) => ({ value, label: t(`midjourney.status.${look.id}`) }))} />
            <Select w={170} clearable searchable aria-label={t("midjourney.column.action")} placeholder={t("midjourney.column.action")} value={state.action || null} onChange={(action) => setState({ action: action ?? "" })} data={[...ACTIONS]} />
            <TaskRange value={state.since} onChange={(since) => setState({ since })} />
            {isAdmin && <SearchInput w={120} label={t("midjourney.channelId")} value={state.channel_id} onChange={(channel_id) => setState({ channel_id })} />}
            {isAdmin && <SearchInput w={120} label={t("midjourney.userId")} value={state.user_id} onChange={(user_id) => setState({ user_id })} />}
          </Group>
        }
        empty={<EmptyState icon={IconBrush} message={t(active ? "midjourney.noMatch" : "midjourney.empty")} hint={t("midjourney.emptyHint")} />}
      />
      <Modal opened={shown !== null} onClose={() => setShown(null)} size="xl" title={t("midjourney.picture")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
        {shown && (
          <Group justify="center">
            <Image src={shown.image_url} alt={shown.prompt} mah="70vh" fit="contain" />
            <Anchor href={shown.image_url} target="_blank" rel="noreferrer">{t("midjourney.original")}</Anchor>
          </Group>
        )}
      </Modal>
    </>
  );
}
