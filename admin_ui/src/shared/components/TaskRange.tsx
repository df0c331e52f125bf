// Since when tasks are listed: a few spans that people ask for.
import { Select } from "@mantine/core";
import { useTranslation } from "react-i18next";

const DAY_S = 86_400;
const DAYS = { any: 0, day: 1, week: 7, month: 30 } as const;
export type Span = keyof typeof DAYS;
const isSpan = (text: string): text is Span => text in DAYS;

/** Start of the span in Unix s, to the minute so that a list is not asked for anew at every look; undefined for all. */
export const startOf = (span: string) => (isSpan(span) && DAYS[span] ? Math.floor(Date.now() / 60_000) * 60 - DAYS[span] * DAY_S : undefined);

export function TaskRange({ value, onChange }: { value: string; onChange: (span: Span) => void }) {
  const { t } = useTranslation();
  return (
    <Select
      w={140}
      allowDeselect={false}
      aria-label={t("shared.task.since")}
      value={isSpan(value) ? value : "any"}
      onChange={(span) => span && isSpan(span) && onChange(span)}
      data={Object.keys(DAYS).map((span) => ({ value: span, label: t(`shared.task.span.${span}`) }))}
    />
  );
}
