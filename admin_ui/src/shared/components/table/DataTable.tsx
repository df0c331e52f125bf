// The one table: server-side pages and sorting, column choice, selection, expandable rows, virtual rows, stacked cards on phones, j/k/x/Enter keys.
import { Box, Checkbox, Group, Paper, Skeleton, Text, UnstyledButton } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp, IconChevronRight } from "@tabler/icons-react";
import { getCoreRowModel, type Row, useReactTable, type VisibilityState } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Fragment, memo, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "../EmptyState";
import { ErrorState } from "../ErrorState";
import { ColumnMenu } from "./ColumnMenu";
import classes from "./DataTable.module.css";
import { Pager } from "./Pager";

export interface Column<T> {
  id: string;
  header: string;
  cell: (row: T) => ReactNode;
  width?: number; // px; columns without a width share the rest
  align?: "right" | "center";
  sortable?: boolean;
  hidden?: boolean; // not shown until chosen
  fixed?: boolean; // cannot be hidden
  phone?: "title" | "hidden"; // default: a labelled line of the card
}

export type RowKey = string | number;

export interface DataTableProps<T> {
  id: string; // names the stored choice of columns
  label: string; // accessible name
  columns: Column<T>[];
  rows: T[] | undefined;
  rowKey: (row: T) => RowKey;
  isPending: boolean;
  isFetching?: boolean;
  error?: unknown;
  onRetry?: () => void;
  total?: number;
  totalCapped?: boolean;
  page?: number; // counts from 1; without it the table has no pager
  pageSize?: number;
  onPage?: (changes: { page?: number; pageSize?: number }) => void;
  sort?: string; // "id" ascending, "-id" descending, "" none
  onSort?: (sort: string) => void;
  selected?: ReadonlySet<RowKey>;
  onSelect?: (selected: Set<RowKey>) => void;
  expand?: (row: T) => ReactNode;
  onOpen?: (row: T) => void; // Enter on a row
  rowActions?: (row: T) => ReactNode;
  actionsWidth?: number; // px
  dimmed?: (row: T) => boolean;
  toolbar?: ReactNode;
  empty?: ReactNode;
}

const VIRTUAL_FROM = 60; // rows; below that plain rows are simpler and cost nothing
const ROW_PX = 44;

const isTyping = (target: EventTarget | null) => target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT|BUTTON|A)$/.test(target.tagName);

export function DataTable<T>(props: DataTableProps<T>) {
  const { t } = useTranslation();
  const { columns, rows, rowKey, selected, onSelect, expand } = props;
  const isPhone = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const defaults = useMemo(() => Object.fromEntries(columns.map((c) => [c.id, !c.hidden])), [columns]);
  const [stored, setVisibility] = useLocalStorage<VisibilityState>({ key: `medusa.columns.${props.id}`, defaultValue: {}, getInitialValueInEffect: false });
  const visibility = useMemo(() => ({ ...defaults, ...stored }), [defaults, stored]);
  const [open, setOpen] = useState<ReadonlySet<RowKey>>(new Set());
  const [cursor, setCursor] = useState(-1);
  const scroller = useRef<HTMLDivElement>(null);

  const table = useReactTable({
    data: rows ?? EMPTY,
    columns: useMemo(() => columns.map((c) => ({ id: c.id, header: c.header, meta: c })), [columns]),
    getRowId: (row) => String(rowKey(row as T)),
    state: { columnVisibility: visibility },
    getCoreRowModel: getCoreRowModel(),
    manualPagination: true,
    manualSorting: true,
  });
  const shown = useMemo(() => columns.filter((c) => visibility[c.id] !== false), [columns, visibility]);
  const modelRows = table.getRowModel().rows as Row<T>[];
  const virtual = modelRows.length > VIRTUAL_FROM && !isPhone;
  const virtualizer = useVirtualizer({
    count: virtual ? modelRows.length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });

  const toggleOpen = (key: RowKey) => setOpen((previous) => toggled(previous, key));
  const toggleSelected = (key: RowKey) => onSelect?.(toggled(selected ?? new Set(), key));

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || document.querySelector("[role=dialog]")) return;
      const row = modelRows[cursor];
      if (isTyping(event.target)) return;
      if (event.key === "j" || event.key === "k") {
        const next = Math.max(0, Math.min(modelRows.length - 1, cursor + (event.key === "j" ? 1 : -1)));
        setCursor(next);
        if (virtual) virtualizer.scrollToIndex(next);
        else scroller.current?.querySelector(`[data-row="${next}"]`)?.scrollIntoView({ block: "nearest" });
      } else if (row && event.key === "x" && onSelect) toggleSelected(rowKey(row.original));
      else if (row && event.key === "Enter") {
        if (props.onOpen) props.onOpen(row.original);
        else if (expand) toggleOpen(rowKey(row.original));
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });

  const pageKeys = modelRows.map((row) => rowKey(row.original));
  const selectedHere = pageKeys.filter((key) => selected?.has(key)).length;
  const selectPage = () => {
    const next = new Set(selected);
    for (const key of pageKeys) if (selectedHere === pageKeys.length) next.delete(key);
      else next.add(key);
    onSelect?.(next);
  };

  const columnCount = shown.length + (onSelect ? 1 : 0) + (expand ? 1 : 0) + (props.rowActions ? 1 : 0);

  const renderRow = (row: Row<T>, index: number, measure?: (element: Element | null) => void) => {
    const key = rowKey(row.original);
    const isOpen = open.has(key);
    return (
      <tbody key={row.id} ref={measure} data-index={index} data-row={index} className={classes.rowGroup}>
        <tr
          className={classes.row}
          data-cursor={cursor === index || undefined}
          data-selected={selected?.has(key) || undefined}
          data-dimmed={props.dimmed?.(row.original) || undefined}
          data-expandable={expand ? true : undefined}
          onClick={(event) => {
            if (expand && !(event.target as HTMLElement).closest("button,a,input,[role=menu]") && !window.getSelection()?.toString()) toggleOpen(key);
          }}
        >
          {expand && (
            <td className={classes.narrow}>
              <UnstyledButton className={classes.chevron} data-open={isOpen || undefined} aria-expanded={isOpen} aria-label={t("shared.table.details")} onClick={() => toggleOpen(key)}>
                <IconChevronRight size={16} />
              </UnstyledButton>
            </td>
          )}
          {onSelect && (
            <td className={classes.narrow}>
              <Checkbox size="xs" checked={selected?.has(key) ?? false} onChange={() => toggleSelected(key)} aria-label={t("shared.table.selectRow", { row: String(key) })} />
            </td>
          )}
          <Cells columns={shown} row={row.original} actions={props.rowActions} />
        </tr>
        {expand && isOpen && (
          <tr className={classes.expanded}>
            <td colSpan={columnCount}>{expand(row.original)}</td>
          </tr>
        )}
      </tbody>
    );
  };

  const renderCard = (row: Row<T>, index: number) => {
    const key = rowKey(row.original);
    const isOpen = open.has(key);
    return (
      <Box key={row.id} className={classes.card} data-row={index} data-dimmed={props.dimmed?.(row.original) || undefined} role="listitem">
        <Group justify="space-between" wrap="nowrap" gap="xs" mb={6}>
          <Group gap="xs" wrap="nowrap" style={{ minWidth: 0, flex: 1 }}>
            {onSelect && <Checkbox size="sm" checked={selected?.has(key) ?? false} onChange={() => toggleSelected(key)} aria-label={t("shared.table.selectRow", { row: String(key) })} />}
            <Box style={{ minWidth: 0, flex: 1, fontWeight: 600 }}>{shown.filter((c) => c.phone === "title").map((c) => <Fragment key={c.id}>{c.cell(row.original)}</Fragment>)}</Box>
          </Group>
          {props.rowActions?.(row.original)}
        </Group>
        <dl className={classes.lines}>
          {shown
            .filter((c) => c.phone === undefined)
            .map((column) => (
              <Fragment key={column.id}>
                <dt>{column.header}</dt>
                <dd>{column.cell(row.original)}</dd>
              </Fragment>
            ))}
        </dl>
        {expand && (
          <UnstyledButton className={classes.more} aria-expanded={isOpen} onClick={() => toggleOpen(key)}>
            {t(isOpen ? "shared.table.less" : "shared.table.details")}
          </UnstyledButton>
        )}
        {expand && isOpen && expand(row.original)}
      </Box>
    );
  };

  const items = virtualizer.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtualizer.getTotalSize() - (items[items.length - 1]?.end ?? 0);

  let body: ReactNode;
  if (props.isPending) {
    body = (
      <Box p="md" aria-busy="true" aria-label={t("shared.loading")}>
        {Array.from({ length: 8 }, (_, index) => (
          <Skeleton key={index} h={26} mb={14} />
        ))}
      </Box>
    );
  } else if (props.error && !rows) body = <ErrorState error={props.error} {...(props.onRetry ? { onRetry: props.onRetry } : {})} />;
  else if (modelRows.length === 0) body = props.empty ?? <EmptyState message={t("shared.table.empty")} />;
  else if (isPhone) {
    body = (
      <div role="list" aria-label={props.label} ref={scroller}>
        {modelRows.map(renderCard)}
      </div>
    );
  } else {
    body = (
      <div ref={scroller} className={classes.scroller} data-virtual={virtual || undefined} tabIndex={virtual ? 0 : undefined} role={virtual ? "region" : undefined} aria-label={virtual ? props.label : undefined}>
        <table className={classes.table} aria-label={props.label} aria-rowcount={props.total ?? modelRows.length} style={{ minWidth: shown.reduce((sum, c) => sum + (c.width ?? 160), (expand ? 36 : 0) + (onSelect ? 40 : 0) + (props.rowActions ? (props.actionsWidth ?? 100) : 0)) }}>
          <colgroup>
            {expand && <col style={{ width: 36 }} />}
            {onSelect && <col style={{ width: 40 }} />}
            {shown.map((c) => (
              <col key={c.id} style={c.width ? { width: c.width } : undefined} />
            ))}
            {props.rowActions && <col style={{ width: props.actionsWidth ?? 100 }} />}
          </colgroup>
          <thead className={classes.head}>
            <tr>
              {expand && <td />}
              {onSelect && (
                <th scope="col">
                  <Checkbox size="xs" checked={selectedHere > 0 && selectedHere === pageKeys.length} indeterminate={selectedHere > 0 && selectedHere < pageKeys.length} onChange={selectPage} aria-label={t("shared.table.selectPage")} />
                </th>
              )}
              {shown.map((column) => (
                <HeadCell key={column.id} column={column} sort={props.sort ?? ""} {...(props.onSort ? { onSort: props.onSort } : {})} />
              ))}
              {props.rowActions && (
                <th scope="col" className={classes.actions}>
                  <span className="visually-hidden">{t("shared.table.actions")}</span>
                </th>
              )}
            </tr>
          </thead>
          {virtual ? (
            <>
              <tbody aria-hidden style={{ height: before }} />
              {items.map((item) => renderRow(modelRows[item.index]!, item.index, virtualizer.measureElement))}
              <tbody aria-hidden style={{ height: after }} />
            </>
          ) : (
            modelRows.map((row, index) => renderRow(row, index))
          )}
        </table>
      </div>
    );
  }

  return (
    <Paper withBorder className={classes.frame} data-fetching={props.isFetching || undefined}>
      <Group className={classes.toolbar} justify="space-between" gap="xs" align="center">
        <Group gap="xs" style={{ flex: 1, minWidth: 0 }}>
          {props.toolbar}
        </Group>
        <ColumnMenu columns={columns} visibility={visibility} onChange={setVisibility} />
      </Group>
      {body}
      {props.page !== undefined && props.onPage && !props.isPending && (
        <Pager page={props.page} pageSize={props.pageSize ?? 20} total={props.total ?? 0} capped={props.totalCapped ?? false} onPage={props.onPage} />
      )}
      {selected && selected.size > 0 && (
        <Text size="xs" c="dimmed" className={classes.selectedNote} aria-live="polite">
          {t("shared.table.selected", { count: selected.size })}
        </Text>
      )}
    </Paper>
  );
}

const EMPTY: never[] = [];

interface CellsProps<T> {
  columns: Column<T>[];
  row: T;
  actions: ((row: T) => ReactNode) | undefined;
}
/** Kept while the table scrolls: only rows that come into sight are drawn. */
const Cells = memo(function Cells<T>({ columns, row, actions }: CellsProps<T>) {
  return (
    <>
      {columns.map((column) => (
        <td key={column.id} className={classes.cell} data-align={column.align}>
          {column.cell(row)}
        </td>
      ))}
      {actions && <td className={classes.actions}>{actions(row)}</td>}
    </>
  );
}) as <T>(props: CellsProps<T>) => ReactNode;

function toggled(keys: ReadonlySet<RowKey>, key: RowKey): Set<RowKey> {
  const next = new Set(keys);
  if (!next.delete(key)) next.add(key);
  return next;
}

function HeadCell<T>({ column, sort, onSort }: { column: Column<T>; sort: string; onSort?: (sort: string) => void }) {
  const direction = sort === column.id ? "ascending" : sort === `-${column.id}` ? "descending" : undefined;
  if (!column.sortable || !onSort) {
    return (
      <th scope="col" data-align={column.align}>
        {column.header}
      </th>
    );
  }
  const next = direction === "descending" ? column.id : direction === "ascending" ? "" : `-${column.id}`;
  return (
    <th scope="col" data-align={column.align} aria-sort={direction ?? "none"}>
      <UnstyledButton className={classes.sort} data-active={direction} onClick={() => onSort(next)}>
        {column.header}
        {direction === "ascending" ? <IconArrowUp size={12} aria-hidden /> : <IconArrowDown size={12} aria-hidden />}
      </UnstyledButton>
    </th>
  );
}
