// One setting: what it is called, what it does, its unit and default; edited as its kind asks for.
import { Alert, Anchor, Button, Group, MultiSelect, NumberInput, PasswordInput, Select, Stack, Switch, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import type { OptionSpec } from "@/shared/api/types";
import { useFormat } from "@/shared/format/useFormat";
import type { ColumnKind, Shape } from "../api/json-rows";
import { checkValue, isSame, lastChangeQuery } from "../api/options";
import { ChatEntries } from "./ChatEntries";
import { PriceTable } from "./PriceTable";
import { RowsEditor } from "./RowsEditor";

const SHORT = 28; // characters of a default that are shown

export interface OptionFieldProps {
  spec: OptionSpec;
  value: string; // with unsaved changes
  saved: string;
  version: string; // of what is saved; "" = nothing is
  isSet: boolean; // of a secret
  isCleared: boolean; // of a secret: it goes when the page is saved
  isConflict: boolean;
  suggest: (kind: ColumnKind) => string[];
  tables: string[]; // keys of all price tables
  onChange: (value: string | null) => void; // null: back to the default
  onKeep: () => void; // of a conflict
  onTake: () => void;
}

function Conflict({ spec, saved, version, onKeep, onTake }: Pick<OptionFieldProps, "spec" | "saved" | "version" | "onKeep" | "onTake">) {
  const { t } = useTranslation();
  const format = useFormat();
  const last = useQuery(lastChangeQuery(spec.key, version));
  const facts = { by: last.data?.actor || "?", at: last.data ? format.ago(last.data.at) : "" };
  return (
    <Alert color="orange" p="xs" role="alert" title={t("settings.conflict.title", facts)}>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>{spec.secret ? t("settings.conflict.secret") : t("settings.conflict.now", { value: saved.length > 200 ? `${saved.slice(0, 200)}…` : saved })}</Text>
      <Group gap="xs" mt={6}>
        <Button size="compact-sm" variant="default" onClick={onTake}>{t("settings.conflict.take")}</Button>
        <Button size="compact-sm" color="orange" variant="light" onClick={onKeep}>{t("settings.conflict.keep")}</Button>
      </Group>
    </Alert>
  );
}

function Editor({ spec, value, saved, isSet, isCleared, suggest, tables, onChange }: OptionFieldProps) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const chinese = i18n.language.startsWith("zh");
  const label = chinese ? spec.label_zh : spec.label_en;
  const unit = spec.unit ? t(`settings.unit.${spec.unit}`) : "";
  const help = `${chinese ? spec.help_zh : spec.help_en}${spec.restart ? ` ${t("settings.restart")}` : ""}`;
  const problem = checkValue(spec, value);
  const error = problem ? t(`settings.problem.${problem}`, { lowest: spec.lowest, highest: spec.highest }) : null;
  const common = { label, description: help, error };
  const mono = { input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } };
  if (spec.secret) {
    return <PasswordInput {...common} placeholder={t(isCleared ? "settings.secretCleared" : isSet ? "settings.secretSet" : "settings.secretUnset")} autoComplete="new-password" value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
  }
  switch (spec.kind) {
    case "bool":
      return <Switch label={label} description={help} checked={value === "true"} onChange={(event) => onChange(event.currentTarget.checked ? "true" : "false")} />;
    case "int":
    case "float": {
      const worth = spec.unit === "units" && !error ? ` = ${format.quota(Number(value))}` : "";
      const shown = `${unit}${worth}`;
      return <NumberInput {...common} allowDecimal={spec.kind === "float"} thousandSeparator="," hideControls value={value} onChange={(next) => onChange(String(next))} {...(shown ? { rightSection: <Text size="xs" c="dimmed" pr={8} style={{ whiteSpace: "nowrap" }}>{shown}</Text>, rightSectionWidth: `calc(${shown.length}ch + 16px)`, rightSectionPointerEvents: "none" as const } : {})} />;
    }
    case "enum":
      return <Select {...common} data={spec.choices} allowDeselect={false} value={value} onChange={(next) => onChange(next ?? value)} />;
    case "words":
      if (spec.key === "PriceTablesMerged") return <MultiSelect {...common} data={tables} value={splitList(value)} onChange={(next) => onChange(next.join(","))} />;
      return <TagsInput {...common} splitChars={[",", "\n"]} data={spec.key === "HedgeModels" ? suggest("model") : []} maxDropdownHeight={200} limit={20} value={splitList(value)} onChange={(next) => onChange(next.join(","))} />;
    case "lines":
      return <Textarea {...common} autosize minRows={3} maxRows={12} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
    case "prices":
      return <PriceTable label={unit ? `${label} (${unit})` : label} description={help} value={value} saved={saved} error={error} suggest={suggest(/group/i.test(spec.key) ? "group" : "model")} perMillion={spec.key === "ModelRatio"} onChange={onChange} />;
  }
  if (spec.shape === "links") return <ChatEntries {...common} value={value} onChange={onChange} />;
  if (spec.shape) return <RowsEditor settingKey={spec.key} shape={spec.shape as Shape} {...common} value={value} suggest={suggest} onChange={onChange} />;
  if (spec.section === "pages" && spec.kind === "str" && spec.key !== "SystemName") return <Textarea {...common} autosize minRows={3} maxRows={16} styles={mono} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
  return <TextInput {...common} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
}

/** Under the field: the key, the default, and the ways back. */
function Footnote({ spec, value, version, isSet, isCleared, onChange }: OptionFieldProps) {
  const { t } = useTranslation();
  const parts: ReactNode[] = [<Text key="key" span size="xs" ff="monospace" c="dimmed" style={{ overflowWrap: "anywhere" }}>{spec.key}</Text>];
  if (!spec.secret) {
    const text = spec.kind === "bool" ? t(spec.default === "true" ? "settings.on" : "settings.off") : spec.default.length > SHORT || spec.default.includes("\n") ? t("settings.builtIn") : ["", "{}", "[]"].includes(spec.default) ? t("settings.nothing") : spec.default;
    parts.push(<Text key="default" span size="xs" c="dimmed">{t("settings.default", { value: text })}</Text>);
    if (!isSame(spec, value, spec.default)) parts.push(<Anchor key="reset" component="button" type="button" size="xs" aria-label={t("settings.resetOf", { name: spec.key })} onClick={() => onChange(null)}>{t("settings.reset")}</Anchor>);
  } else if (isSet && !isCleared) {
    parts.push(<Anchor key="clear" component="button" type="button" size="xs" aria-label={t("settings.clearOf", { name: spec.key })} onClick={() => onChange(null)}>{t("shared.action.clear")}</Anchor>);
  }
  if (version) parts.push(<Anchor key="history" component={Link} size="xs" to="/console/operations" search={{ tab: "audit", target: `option:${spec.key}` } as never} aria-label={t("settings.historyOf", { name: spec.key })}>{t("settings.history")}</Anchor>);
  return <Group gap={10} mt={4}>{parts}</Group>;
}

export function OptionField(props: OptionFieldProps) {
  return (
    <Stack gap={4} id={`setting-${props.spec.key}`}>
      <div>
        <Editor {...props} />
        <Footnote {...props} />
      </div>
      {props.isConflict && <Conflict {...props} />}
    </Stack>
  );
}
