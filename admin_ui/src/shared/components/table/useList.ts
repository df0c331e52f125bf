// A paged list behind a DataTable: filters, sort and page from the URL, rows from the server, the page size remembered.
import { keepPreviousData, type QueryKey, useQuery } from "@tanstack/react-query";
import type { ListQuery, Page, Query } from "@/shared/api/client";
import { type UrlValues, useUrlState } from "@/shared/hooks/url-state";

const PAGE_SIZE = "medusa.page_size";
const rememberedSize = () => Number(localStorage.getItem(PAGE_SIZE)) || 20;

export interface ListState extends UrlValues {
  page: number;
  size: number; // 0 = as remembered
  sort: string;
}
export const LIST_DEFAULTS: ListState = { page: 1, size: 0, sort: "" };

interface ListOptions<T, S extends ListState> {
  key: QueryKey;
  defaults: S; // constant outside the component: {...LIST_DEFAULTS, keyword: ""}
  fetch: (list: ListQuery, signal: AbortSignal) => Promise<Page<T>>;
  filters?: (state: S) => Query; // which parameters go to the server; default: all but page, size
  refetchInterval?: (state: S) => number | false; // ms
}

export function useList<T, S extends ListState>({ key, defaults, fetch, filters, refetchInterval }: ListOptions<T, S>) {
  const [state, setState] = useUrlState<S>(defaults);
  const pageSize = state.size || rememberedSize();
  const { page, size: _size, ...rest } = state;
  const wire = filters ? filters(state) : (rest as Query);
  const query = useQuery({
    queryKey: [...key, { page, pageSize, ...wire }],
    queryFn: ({ signal }) => fetch({ page, pageSize, filters: wire }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: refetchInterval?.(state) ?? false,
  });
  const tableProps = {
    rows: query.data?.items,
    isPending: query.isPending,
    isFetching: query.isFetching && !query.isPending,
    error: query.error,
    onRetry: () => void query.refetch(),
    total: query.data?.total ?? 0,
    totalCapped: query.data?.total_capped ?? false,
    page,
    pageSize,
    onPage: (changes: { page?: number; pageSize?: number }) => {
      if (changes.pageSize) localStorage.setItem(PAGE_SIZE, String(changes.pageSize));
      setState({
        ...(changes.page ? { page: changes.page } : {}),
        ...(changes.pageSize ? { size: changes.pageSize } : {}),
      } as Partial<S>);
    },
    sort: state.sort,
    onSort: (sort: string) => setState({ sort } as Partial<S>),
  };
  return { query, state, setState, tableProps };
}
