// Page numbers, page size and "1–20 of 345".
import { Group, Pagination, Select, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/shared/format/useFormat";
import classes from "./DataTable.module.css";

const SIZES = [10, 20, 50, 100, 500, 1000];

interface PagerProps {
  page: number;
  pageSize: number;
  total: number;
  capped: boolean;
  onPage: (changes: { page?: number; pageSize?: number }) => void;
}
export function Pager({ page, pageSize, total, capped, onPage }: PagerProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const pages = Math.max(1, Math.ceil(total / pageSize));
  const sizes = SIZES.includes(pageSize) ? SIZES : [...SIZES, pageSize].sort((a, b) => a - b);
  return (
    <Group className={classes.pager} justify="flex-end" gap="md">
      <Text size="sm" c="dimmed" className="num">
        {t(capped ? "shared.pager.rangeCapped" : "shared.pager.range", {
          from: format.number(total === 0 ? 0 : (page - 1) * pageSize + 1),
          to: format.number(Math.min(page * pageSize, total)),
          total: format.number(total),
        })}
      </Text>
      <Select
        size="xs"
        w={112}
        allowDeselect={false}
        aria-label={t("shared.pager.size")}
        data={sizes.map((size) => ({ value: String(size), label: t("shared.pager.perPage", { size }) }))}
        value={String(pageSize)}
        onChange={(value) => onPage({ pageSize: Number(value), page: 1 })}
      />
      {pages > 1 && (
        <Pagination
          size="sm"
          total={pages}
          value={Math.min(page, pages)}
          onChange={(next) => onPage({ page: next })}
          getControlProps={(control) => ({ "aria-label": t(`shared.pager.${control}`) })}
          getItemProps={(item) => ({ "aria-label": t("shared.pager.page", { page: item }) })}
        />
      )}
    </Group>
  );
}
