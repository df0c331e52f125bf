// The settings page's state: what is stored, what was edited over it, and saving the difference.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/shared/api/client";
import { statusQuery } from "@/shared/api/status";
import type { OptionSpec } from "@/shared/api/types";
import { useAction } from "@/shared/hooks/useAction";
import { type Edits, isChanged, isConflict, keepMine, savedOf, shownOf, withEdit, withoutEdit, writesOf } from "../api/edits";
import { checkValue, OPTIONS, optionsQuery, saveOptions, specsQuery } from "../api/options";

const NONE: OptionSpec[] = [];

export function useSettings() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const specs = useQuery(specsQuery);
  const options = useQuery(optionsQuery);
  const [edits, setEdits] = useState<Edits>({});
  const all = specs.data ?? NONE;
  const stored = useMemo(() => new Map((options.data ?? []).map((option) => [option.key, option])), [options.data]);
  const changed = all.filter((spec) => isChanged(spec, stored, edits));
  const save = useAction({
    run: () => saveOptions(writesOf(changed, edits)),
    done: t("settings.saved"),
    refresh: [OPTIONS, statusQuery.queryKey, ["pricing"]],
    onDone: () => setEdits({}),
  });
  const saveOrLook = () =>
    save.mutate(undefined, {
      onError: (error) => {
        if (error instanceof ApiError && error.code === "option_moved") void queries.invalidateQueries({ queryKey: optionsQuery.queryKey });
      },
    });
  const valueOf = useCallback(
    (key: string) => {
      const spec = all.find((one) => one.key === key);
      return spec ? shownOf(spec, stored, edits) : "{}";
    },
    [all, stored, edits],
  );
  return {
    specs: all,
    stored,
    edits,
    isReady: Boolean(specs.data && options.data),
    failure: specs.error ?? options.error,
    retry: () => {
      void specs.refetch();
      void options.refetch();
    },
    changed,
    wrong: changed.filter((spec) => edits[spec.key]?.value !== null && checkValue(spec, shownOf(spec, stored, edits))),
    conflicts: changed.filter((spec) => isConflict(spec, stored, edits)),
    save: saveOrLook,
    isSaving: save.isPending,
    saveError: save.error,
    valueOf,
    savedOf: (spec: OptionSpec) => savedOf(spec, stored),
    edit: (key: string, value: string | null) => setEdits((previous) => withEdit(previous, stored, key, value)),
    editMany: (values: Record<string, string>) => setEdits((previous) => Object.entries(values).reduce((next, [key, value]) => withEdit(next, stored, key, value), previous)),
    keep: (key: string) => setEdits((previous) => keepMine(previous, stored, key)),
    take: (key: string) => setEdits((previous) => withoutEdit(previous, key)),
    discard: () => setEdits({}),
  };
}
