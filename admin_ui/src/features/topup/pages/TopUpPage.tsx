// Wallet: balance, redeeming a code, paying, orders, invitations.
import { Alert, Button, Card, Grid, Group, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { IconCheck, IconClock, IconExternalLink, IconReceipt, IconX } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { selfQuery, useIsAdmin, useSelf } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import type { Status, TopUpOrder } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { Stat } from "@/shared/components/Stat";
import { StatusBadge } from "@/shared/components/StatusBadge";
import { type Column, DataTable } from "@/shared/components/table/DataTable";
import { LIST_DEFAULTS, useList } from "@/shared/components/table/useList";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { listOrders, ORDERS, type Provider, redeem } from "../api/topup";
import { InviteCard } from "../components/InviteCard";
import { PayCard } from "../components/PayCard";

const DEFAULTS = { ...LIST_DEFAULTS, status: "", everybody: false };
const LOOKS = { success: { color: "teal", icon: IconCheck }, pending: { color: "orange", icon: IconClock }, failed: { color: "gray", icon: IconX } } as const;

const providersOf = (status: (Status & { enable_stripe_topup?: boolean }) | undefined): Provider[] => [...(status?.enable_online_topup ? (["epay"] as const) : []), ...(status?.enable_stripe_topup ? (["stripe"] as const) : [])];

function RedeemCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const status = useStatus();
  const errorText = useErrorText();
  const [key, setKey] = useState("");
  const use = useAction({ run: () => redeem(key.trim()), done: (quota) => t("topup.redeemed", { amount: format.quota(Number(quota)) }), refresh: [selfQuery.queryKey, ["logs"]], onDone: () => setKey("") });
  return (
    <Card withBorder>
      <Text fw={600} mb="sm">{t("topup.redeem")}</Text>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          use.mutate();
        }}
      >
        <Stack gap="sm">
          {use.error && <Alert color="red" role="alert" p="xs">{errorText(use.error)}</Alert>}
          <TextInput label={t("topup.code")} autoComplete="off" value={key} onChange={(event) => setKey(event.currentTarget.value)} />
          <Group gap="xs">
            <Button type="submit" disabled={!key.trim()} loading={use.isPending}>{t("topup.redeemNow")}</Button>
            {status?.top_up_link && /^https?:/.test(status.top_up_link) && <Button variant="default" component="a" href={status.top_up_link} target="_blank" rel="noreferrer" rightSection={<IconExternalLink size={14} />}>{t("topup.buy")}</Button>}
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

export default function TopUpPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const self = useSelf();
  const status = useStatus();
  const isAdmin = useIsAdmin();
  const providers = providersOf(status);
  const { state, setState, tableProps } = useList({
    key: [...ORDERS, isAdmin],
    defaults: DEFAULTS,
    fetch: (list, signal) => listOrders(isAdmin && Boolean(list.filters?.["everybody"]), { ...list, filters: { status: list.filters?.["status"] } }, signal),
  });
  const columns = useMemo<Column<TopUpOrder>[]>(
    () => [
      { id: "time", header: t("topup.column.time"), width: 172, fixed: true, phone: "title", cell: (order) => <Text size="sm" style={{ whiteSpace: "nowrap" }}>{format.time(order.create_time)}</Text> },
      ...(state.everybody ? [{ id: "user", header: t("topup.column.user"), width: 120, cell: (order: TopUpOrder) => order.username }] : []),
      { id: "status", header: t("topup.column.status"), width: 120, cell: (order) => { const name = order.status in LOOKS ? (order.status as keyof typeof LOOKS) : "failed"; return <StatusBadge label={t(`topup.status.${name}`)} color={LOOKS[name].color} icon={LOOKS[name].icon} />; } },
      { id: "amount", header: t("topup.column.amount"), width: 110, align: "right", cell: (order) => (order.quota ? format.quota(order.quota) : `$${format.number(order.amount)}`) },
      { id: "money", header: t("topup.column.money"), width: 120, align: "right", cell: (order) => `${format.number(order.money, 2)} ${order.currency}` },
      { id: "provider", header: t("topup.column.provider"), width: 120, cell: (order) => [order.provider, order.method].filter(Boolean).join(" · ") || "–" },
      { id: "number", header: t("topup.column.number"), cell: (order) => <Text size="xs" ff="monospace" truncate>{order.trade_no}</Text> },
    ],
    [t, format, state.everybody],
  );
  return (
    <>
      <PageHeader title={t("topup.title")} hint={t("topup.hint")} />
      <Grid mb="md">
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Stack>
            <Card withBorder>
              <Stat label={t("topup.balance")} value={format.quota(self?.quota ?? 0)} loading={!self} hint={t("topup.used", { used: format.quota(self?.used_quota ?? 0), calls: format.number(self?.request_count ?? 0) })} {...((self?.quota ?? 1) <= 0 ? { color: "red" } : {})} />
            </Card>
            <RedeemCard />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}>{providers.length > 0 ? <PayCard providers={providers} /> : <Card withBorder h="100%"><EmptyState icon={IconReceipt} message={t("topup.noProvider")} hint={t(isAdmin ? "topup.noProviderAdmin" : "topup.noProviderHint")} /></Card>}</Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}><InviteCard /></Grid.Col>
      </Grid>
      <DataTable
        id="orders"
        label={t("topup.orders")}
        columns={columns}
        {...tableProps}
        rowKey={(order) => order.id}
        dimmed={(order) => order.status === "failed"}
        toolbar={
          <Group gap="xs">
            <Text fw={600}>{t("topup.orders")}</Text>
            <SegmentedControl size="xs" aria-label={t("topup.column.status")} value={state.status} onChange={(value) => setState({ status: value })} data={[{ value: "", label: t("topup.any") }, ...(["pending", "success", "failed"] as const).map((value) => ({ value: value as string, label: t(`topup.status.${value}`) }))]} />
            {isAdmin && <SegmentedControl size="xs" aria-label={t("topup.column.user")} value={state.everybody ? "all" : "mine"} onChange={(value) => setState({ everybody: value === "all" })} data={[{ value: "mine", label: t("topup.mine") }, { value: "all", label: t("topup.everybody") }]} />}
          </Group>
        }
        empty={<EmptyState icon={IconReceipt} message={t("topup.noOrders")} hint={t(providers.length > 0 ? "topup.noOrdersHint" : "topup.noOrdersCode")} />}
      />
    </>
  );
}
