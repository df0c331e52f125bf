// Filters, sort and page of a list live in the URL, so that a view can be shared and Back works. Values equal to the default are left out.
import { useNavigate, useRouterState } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";

export type UrlValues = Record<string, string | number | boolean>;

/** Search text → typed values by the type of each default; what does not fit falls back to the default. */
export function readUrlState<T extends UrlValues>(search: Record<string, unknown>, defaults: T): T {
  const values: UrlValues = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    const text = search[name];
    if (text === undefined || text === null) values[name] = fallback;
    else if (typeof fallback === "number") values[name] = Number.isFinite(Number(text)) && text !== "" ? Number(text) : fallback;
    else if (typeof fallback === "boolean") values[name] = text === "1" || text === "true" || text === true;
    else values[name] = String(text);
  }
  return values as T;
}

export function writeUrlState<T extends UrlValues>(values: T, defaults: T): Record<string, string> {
  const search: Record<string, string> = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = values[name];
    if (value === undefined || value === fallback) continue;
    search[name] = typeof value === "boolean" ? (value ? "1" : "0") : String(value);
  }
  return search;
}

/**
 * `defaults` must be a constant outside the component. Setting any value but `page` goes back to page 1.
 * Parameters the page does not name are kept.
 */
export function useUrlState<T extends UrlValues>(defaults: T): [T, (changes: Partial<T>) => void] {
  const search = useRouterState({ select: (state) => state.location.search as Record<string, unknown> });
  const navigate = useNavigate();
  const values = useMemo(() => readUrlState(search, defaults), [search, defaults]);
  const setValues = useCallback(
    (changes: Partial<T>) => {
      const paged: UrlValues = "page" in defaults && !("page" in changes) ? { page: 1 } : {};
      void navigate({
        to: ".",
        replace: true,
        search: ((previous: Record<string, unknown>) => {
          const others = Object.fromEntries(Object.entries(previous).filter(([name]) => !(name in defaults)));
          const next = { ...readUrlState(previous, defaults), ...paged, ...changes } as T;
          return { ...others, ...writeUrlState(next, defaults) };
        }) as never,
      });
    },
    [defaults, navigate],
  );
  return [values, setValues];
}
