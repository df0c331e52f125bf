// Tasks: music and video that take minutes, with progress, result and price.
import { Anchor, Badge, Code, Group, Image, Progress, ScrollArea, Select, Stack, Text } from "@mantine/core";
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
import { TaskPrice } from "@/shared/components/TaskPrice";
import { startOf, TaskRange } from "@/shared/components/TaskRange";
import { useFormat } from "@/shared/format/useFormat";
import { listTasks, percentOf, TASKS } from "../api/tasks";

const DEFAULTS = { ...LIST_DEFAULTS, task_id: "", status: "", platform: "", channel_id: "", user_id: "", since: "any" };
const PLATFORMS = ["suno", "video"];
interface Song {
  id?: string;
  title?: string;
  audio_url?: string;
  video_url?: string;
  image_url?: string;
}
const isLink = (url: string) => /^https?:\/\//.test(url);
const LIVE_MS = 5000;
const LOOKS = { SUCCESS: { id: "success", color: "teal", icon: IconCheck }, FAILURE: { id: "failure", color: "red", icon: IconAlertTriangle }, IN_PROGRESS: { id: "running", color: "blue", icon: IconLoader } } as const;
const ENDED = ["SUCCESS", "FAILURE"];
const WAITING = { id: "waiting", color: "gray", icon: IconClock } as const;

/** Songs with their cover, as Suno tells them; other results stand in the details. */
function Results({ data }: { data: unknown }) {
  const { t } = useTranslation();
  const songs = Array.isArray(data) ? data.filter((one): one is Song => typeof one === "object" && one !== null) : [];
  return (
    <Group gap={4} wrap="nowrap">
      {songs.slice(0, 2).map((song, place) => {
        const link = song.video_url || song.audio_url || "";
        return isLink(link) ? (
          <Anchor key={song.id ?? place} href={link} target="_blank" rel="noreferrer" size="xs" title={song.title ?? ""}>
            {isLink(song.image_url ?? "") ? <Image src={song.image_url ?? ""} alt={song.title || t("tasks.listen")} w={32} h={32} radius="sm" loading="lazy" /> : t("tasks.listen")}
          </Anchor>
        ) : null;
      })}
    </Group>
  );
}

export default function TasksPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const isAdmin = useIsAdmin();
  const { state, setState, tableProps } = useList({ key: [...TASKS, isAdmin], defaults: DEFAULTS, fetch: (list, signal) => listTasks(isAdmin, list, signal), filters: ({ task_id, status, platform, channel_id, user_id, since }) => ({ task_id, status, platform, start_timestamp: startOf(since), ...(isAdmin ? { channel_id, user_id } : {}) }), refetchInterval: () => LIVE_MS });
  const columns = useMemo<Column<Task>[]>(
    () => [
      { id: "time", header: t("tasks.column.time"), width: 164, fixed: true, phone: "title", cell: (row) => <Text size="sm" style={{ whiteSpace: "nowrap" }}>{format.time(row.submit_time || row.created_at)}</Text> },
      { id: "platform", header: t("tasks.column.platform"), width: 88, cell: (row) => <Badge color="grape">{row.platform}</Badge> },
      { id: "action", header: t("tasks.column.action"), width: 92, cell: (row) => row.action },
      { id: "status", header: t("tasks.column.status"), width: 112, cell: (row) => { const look = row.status in LOOKS ? LOOKS[row.status as keyof typeof LOOKS] : WAITING; return <StatusBadge label={t(`tasks.status.${look.id}`)} color={look.color} icon={look.icon} {...(row.fail_reason ? { hint: row.fail_reason } : {})} />; } },
      { id: "progress", header: t("tasks.column.progress"), width: 92, cell: (row) => <Progress value={percentOf(row.progress)} animated={!ENDED.includes(row.status)} color={row.status === "FAILURE" ? "red" : "medusa"} aria-label={t("tasks.progressOf", { percent: percentOf(row.progress) })} /> },
      { id: "took", header: t("tasks.column.took"), width: 84, align: "right", cell: (row) => (row.finish_time > row.submit_time ? format.ms((row.finish_time - row.submit_time) * 1000) : "–") },
      { id: "quota", header: t("tasks.column.price"), width: 158, align: "right", cell: (row) => <TaskPrice quota={row.quota} refunded={row.refunded} label={t("tasks.refunded")} /> },
      { id: "result", header: t("tasks.column.result"), width: 176, cell: (row) => (row.fail_reason ? <Text size="xs" c="red" truncate title={row.fail_reason}>{row.fail_reason}</Text> : <Results data={row.data} />) },
      { id: "id", header: "ID", width: 190, hidden: true, cell: (row) => <Text size="xs" ff="monospace" truncate>{row.task_id}</Text> },
      ...(isAdmin ? [{ id: "user", header: t("tasks.column.user"), width: 68, cell: (row: Task) => `#${row.user_id}` }, { id: "channel", header: t("tasks.column.channel"), width: 76, cell: (row: Task) => `#${row.channel_id}` }] : []),
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
        expand={(row) => (
          <Stack gap="xs">
            {row.fail_reason && <Text size="sm" c="red" style={{ overflowWrap: "anywhere" }}>{t("tasks.failedBecause", { reason: row.fail_reason })}</Text>}
            <ScrollArea.Autosize mah={320}><Code block>{JSON.stringify({ task_id: row.task_id, properties: row.properties, data: row.data }, null, 2)}</Code></ScrollArea.Autosize>
          </Stack>
        )}
        toolbar={
          <Group gap="xs">
            <SearchInput label={t("tasks.search")} value={state.task_id} onChange={(task_id) => setState({ task_id })} />
            <Select w={160} clearable aria-label={t("tasks.column.status")} placeholder={t("tasks.column.status")} value={state.status || null} onChange={(status) => setState({ status: status ?? "" })} data={Object.entries(LOOKS).map(([value, look]) => ({ value, label: t(`tasks.status.${look.id}`) }))} />
            <Select w={130} clearable aria-label={t("tasks.column.platform")} placeholder={t("tasks.column.platform")} value={state.platform || null} onChange={(platform) => setState({ platform: platform ?? "" })} data={PLATFORMS} />
            <TaskRange value={state.since} onChange={(since) => setState({ since })} />
            {isAdmin && <SearchInput w={120} label={t("tasks.channelId")} value={state.channel_id} onChange={(channel_id) => setState({ channel_id })} />}
            {isAdmin && <SearchInput w={120} label={t("tasks.userId")} value={state.user_id} onChange={(user_id) => setState({ user_id })} />}
          </Group>
        }
        empty={<EmptyState icon={IconChecklist} message={t(state.task_id || state.status || state.platform || state.channel_id || state.user_id || state.since !== "any" ? "tasks.noMatch" : "tasks.empty")} hint={t("tasks.emptyHint")} />}
      />
    </>
  );
}
