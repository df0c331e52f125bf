// Prices: every model, for the chosen group, per million tokens or per call.
import { Badge, Button, Container, Group, SegmentedControl, Select, Text } from "@mantine/core";
import { IconCopy, IconTag } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import type { PriceRow } from "@/shared/api/types";
import { CopyButton } from "@/shared/components/CopyButton";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { type Column, DataTable, type RowKey } from "@/shared/components/table/DataTable";
import { copyText } from "@/shared/domain/clipboard";
import { useFormat } from "@/shared/format/useFormat";
import { useUrlState } from "@/shared/hooks/url-state";
import { priceOf, pricingQuery } from "../api/pricing";

const DEFAULTS = { keyword: "", group: "", kind: "all", sort: "name" };

export default function PricingPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const self = useSelf();
  const pricing = useQuery(pricingQuery);
  const [state, setState] = useUrlState(DEFAULTS);
  const [selected, setSelected] = useState<Set<RowKey>>(new Set());
  const groups = Object.keys(pricing.data?.group_ratio ?? {});
  const group = groups.includes(state.group) ? state.group : groups.includes(self?.group ?? "") ? self!.group : groups.includes("default") ? "default" : (groups[0] ?? "");
  const ratio = pricing.data?.group_ratio[group] ?? 1;
  const unit = format.display.quota_per_unit;

  const rows = useMemo(() => {
    const found = (pricing.data?.data ?? []).filter((row) => row.model_name.toLowerCase().includes(state.keyword.toLowerCase()) && (state.kind === "all" || (state.kind === "call") === (row.quota_type === 1)));
    const key = state.sort.replace(/^-/, "");
    const sign = state.sort.startsWith("-") ? -1 : 1;
    const value = (row: PriceRow) => (key === "input" ? (row.quota_type === 1 ? row.model_price * 1e6 : row.model_ratio) : key === "output" ? row.model_ratio * row.completion_ratio : row.model_name.toLowerCase());
    return [...found].sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
  }, [pricing.data, state]);

  const usd = (value: number) => `$${format.number(value, 4)}`;
  const columns: Column<PriceRow>[] = [
    { id: "name", header: t("pricing.column.model"), width: 280, fixed: true, sortable: true, phone: "title", cell: (row) => <Group gap={4} wrap="nowrap"><Text fw={600} size="sm" truncate>{row.model_name}</Text><CopyButton value={row.model_name} size="xs" /></Group> },
    { id: "kind", header: t("pricing.column.kind"), width: 120, cell: (row) => <Badge color={row.quota_type === 1 ? "grape" : "blue"}>{t(row.quota_type === 1 ? "pricing.kind.call" : "pricing.kind.token")}</Badge> },
    { id: "input", header: t("pricing.column.input"), width: 140, align: "right", sortable: true, cell: (row) => { const p = priceOf(row, ratio, unit); return p.perCall === null ? usd(p.input) : t("pricing.perCall", { price: usd(p.perCall) }); } },
    { id: "output", header: t("pricing.column.output"), width: 140, align: "right", sortable: true, cell: (row) => (row.quota_type === 1 ? "–" : usd(priceOf(row, ratio, unit).output)) },
    { id: "cached", header: t("pricing.column.cached"), width: 130, align: "right", cell: (row) => { const cached = priceOf(row, ratio, unit).cached; return cached === null ? "–" : usd(cached); } },
    { id: "ratios", header: t("pricing.column.ratios"), width: 150, align: "right", hidden: true, cell: (row) => (row.quota_type === 1 ? "–" : `${row.model_ratio} · ×${row.completion_ratio}`) },
    { id: "groups", header: t("pricing.column.groups"), width: 200, cell: (row) => <Group gap={4}>{(row.enable_groups ?? []).map((name) => <Badge key={name} color={name === group ? "teal" : "gray"}>{name}</Badge>)}</Group> },
  ];
  return (
    <Container size="xl" py="lg">
      <PageHeader title={t("pricing.title")} hint={t("pricing.hint", { group, ratio })} />
      <DataTable
        id="pricing"
        label={t("pricing.title")}
        columns={columns}
        rows={pricing.data ? rows : undefined}
        rowKey={(row) => row.model_name}
        isPending={pricing.isPending}
        error={pricing.error}
        onRetry={() => void pricing.refetch()}
        sort={state.sort}
        onSort={(sort) => setState({ sort })}
        selected={selected}
        onSelect={setSelected}
        dimmed={(row) => row.enable_groups !== undefined && !row.enable_groups.includes(group)}
        toolbar={
          <>
            <SearchInput label={t("pricing.search")} value={state.keyword} onChange={(keyword) => setState({ keyword })} />
            <Select w={220} allowDeselect={false} aria-label={t("pricing.group")} data={groups.map((name) => ({ value: name, label: `${pricing.data?.usable_group[name] || name} · ×${pricing.data?.group_ratio[name]}` }))} value={group || null} onChange={(value) => setState({ group: value ?? "" })} />
            <SegmentedControl aria-label={t("pricing.column.kind")} value={state.kind} onChange={(kind) => setState({ kind })} data={["all", "token", "call"].map((value) => ({ value, label: t(`pricing.kind.${value}`) }))} />
            {selected.size > 0 && <Button variant="default" size="xs" leftSection={<IconCopy size={15} />} onClick={() => void copyText([...selected].join(","))}>{t("pricing.copyNames", { count: selected.size })}</Button>}
          </>
        }
        empty={<EmptyState icon={IconTag} message={t(state.keyword ? "pricing.noMatch" : "pricing.empty")} />}
      />
    </Container>
  );
}
