// The largest of something, each with its share as a bar.
import { Card, Progress, SegmentedControl, Skeleton, Stack, Text, UnstyledButton } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { type Entry, type Measure, measureOf } from "../api/usage";
import classes from "./TopList.module.css";

interface TopListProps {
  title: ReactNode;
  entries: Entry[] | undefined; // undefined: waiting
  measure: Measure;
  show: (value: number) => string;
  nameOf: (entry: Entry) => string;
  onPick?: (entry: Entry) => void;
}
const SHOWN = 8;

export function TopList({ title, entries, measure, show, nameOf, onPick }: TopListProps) {
  const { t } = useTranslation();
  const sorted = [...(entries ?? [])].sort((a, b) => measureOf(b, measure) - measureOf(a, measure));
  const most = (sorted[0] && measureOf(sorted[0], measure)) || 1;
  return (
    <Card h="100%">
      <div className={classes.head}>{title}</div>
      {!entries ? (
        <Skeleton h={240} />
      ) : (
        <Stack gap={9}>
          {sorted.slice(0, SHOWN).map((entry) => (
            <div key={entry.key}>
              <div className={classes.line}>
                {onPick ? (
                  <UnstyledButton className={classes.name} onClick={() => onPick(entry)}>
                    {nameOf(entry)}
                  </UnstyledButton>
                ) : (
                  <span className={classes.name}>{nameOf(entry)}</span>
                )}
                <span className={classes.value}>{show(measureOf(entry, measure))}</span>
              </div>
              <Progress size={5} value={(measureOf(entry, measure) / most) * 100} aria-label={`${nameOf(entry)}: ${show(measureOf(entry, measure))}`} />
            </div>
          ))}
          {sorted.length === 0 && <Text size="sm" c="dimmed">{t("dashboard.nothing")}</Text>}
        </Stack>
      )}
    </Card>
  );
}

export function Heading({ children }: { children: ReactNode }) {
  return <Text fw={600} size="sm">{children}</Text>;
}

interface SwitcherProps<T extends string> {
  label: string;
  value: T;
  options: { value: T; label: string }[];
  onChange: (value: T) => void;
}
export function Switcher<T extends string>({ label, value, options, onChange }: SwitcherProps<T>) {
  return <SegmentedControl size="xs" aria-label={label} value={value} onChange={(next) => onChange(next as T)} data={options} />;
}
