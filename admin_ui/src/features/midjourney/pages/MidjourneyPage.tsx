// Midjourney: drawings with their progress, picture and price.
import { Anchor, Badge, Group, Image, Modal, Progress, Text, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle, IconBrush, IconCheck, IconClock, IconLoader } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useIsAdmin } from "@/shared/api/self";
import type { Midjourney } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { useFormat } from "@/shared/format/useFormat";
import { DRAWINGS, isRunning, listDrawings, percentOf } from "../api/drawings";

const DEFAULTS = { ...LIST_DEFAULTS, mj_id: "" };
const LIVE_MS = 5000;
const LOOKS = { SUCCESS: { id: "success", color: "teal", icon: IconCheck }, FAILURE: { id: "failure", color: "red", icon: IconAlertTriangle }, IN_PROGRESS: { id: "running", color: "blue", icon: IconLoader } } as const;
const WAITING = { id: "waiting", color: "gray", icon: IconClock } as const;
const isPicture = (url: string) => /^(https?:)?\//.test(url);

export default function MidjourneyPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const isAdmin = useIsAdmin();
  const [shown, setShown] = useState<Midjourney | null>(null);
  const { state, setState, tableProps } = useList({ key: [...DRAWINGS, isAdmin], defaults: DEFAULTS, fetch: (list, signal) => listDrawings(isAdmin, list, signal), refetchInterval: () => LIVE_MS });
  const columns = useMemo<Column<Midjourney>[]>(
    () => [
      { id: "time", header: t("midjourney.column.time"), width: 160, fixed: true, phone: "title", cell: (row) => format.time(Math.floor(row.submit_time / 1000)) },
      { id: "action", header: t("midjourney.column.action"), width: 120, cell: (row) => <Badge color="grape">{row.action}</Badge> },
      { id: "status", header: t("midjourney.column.status"), width: 130, cell: (row) => { const look = row.status in LOOKS ? LOOKS[row.status as keyof typeof LOOKS] : WAITING; return <StatusBadge label={t(`midjourney.status.${look.id}`)} color={look.color} icon={look.icon} {...(row.fail_reason ? { hint: row.fail_reason } : {})} />; } },
      { id: "progress", header: t("midjourney.column.progress"), width: 140, cell: (row) => <Progress value={percentOf(row.progress)} animated={isRunning(row)} aria-label={t("midjourney.progressOf", { percent: percentOf(row.progress) })} /> },
      { id: "picture", header: t("midjourney.column.picture"), width: 90, cell: (row) => (row.image_url && isPicture(row.image_url) ? <UnstyledButton aria-label={t("midjourney.open")} onClick={() => setShown(row)}><Image src={row.image_url} alt="" w={44} h={32} fit="cover" radius="sm" loading="lazy" /></UnstyledButton> : "–") },
      { id: "prompt", header: t("midjourney.column.prompt"), cell: (row) => <Text size="sm" truncate title={row.prompt}>{row.prompt}</Text> },
      { id: "quota", header: t("midjourney.column.price"), width: 110, align: "right", cell: (row) => format.quota(row.quota, 4) },
      ...(isAdmin ? [{ id: "user", header: t("midjourney.column.user"), width: 80, cell: (row: Midjourney) => `#${row.user_id}` }, { id: "channel", header: t("midjourney.column.channel"), width: 90, cell: (row: Midjourney) => `#${row.channel_id}` }] : []),
      { id: "id", header: "ID", width: 190, hidden: true, cell: (row) => <Text size="xs" ff="monospace" truncate>{row.mj_id}</Text> },
    ],
    [t, format, isAdmin],
  );
  return (
    <>
      <PageHeader title={t("midjourney.title")} hint={t("midjourney.hint")} />
      <DataTable
        id="drawings"
        label={t("midjourney.title")}
        columns={columns}
        {...tableProps}
        rowKey={(row) => row.id}
        toolbar={<SearchInput label={t("midjourney.search")} value={state.mj_id} onChange={(mj_id) => setState({ mj_id })} />}
        empty={<EmptyState icon={IconBrush} message={t(state.mj_id ? "midjourney.noMatch" : "midjourney.empty")} hint={t("midjourney.emptyHint")} />}
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
