// One setting, edited as its kind asks for.
import { NumberInput, PasswordInput, Select, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import { JsonField } from "@/shared/components/JsonField";
import { checkValue, type OptionSpec } from "../api/options";
import { ChatEntries } from "./ChatEntries";
import { PriceTable } from "./PriceTable";

interface OptionFieldProps {
  spec: OptionSpec;
  value: string;
  saved: string;
  isSet: boolean; // of a secret
  onChange: (value: string) => void;
}

export function OptionField({ spec, value, saved, isSet, onChange }: OptionFieldProps) {
  const { t, i18n } = useTranslation();
  const help = i18n.language.startsWith("zh") ? spec.help_zh : spec.help_en;
  const label = help.charAt(0).toUpperCase() + help.slice(1);
  const description = spec.restart ? `${spec.key} · ${t("settings.restart")}` : spec.key;
  const problem = checkValue(spec, value);
  const error = problem ? t(`settings.problem.${problem}`, { lowest: spec.lowest, highest: spec.highest }) : null;
  if (spec.secret) {
    return <PasswordInput label={label} description={description} placeholder={t(isSet ? "settings.secretSet" : "settings.secretUnset")} autoComplete="new-password" value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
  }
  if (spec.kind === "bool") return <Switch label={label} description={description} checked={value === "true"} onChange={(event) => onChange(event.currentTarget.checked ? "true" : "false")} />;
  if (spec.kind === "int" || spec.kind === "float") {
    return <NumberInput label={label} description={description} error={error} allowDecimal={spec.kind === "float"} thousandSeparator="," value={value} onChange={(next) => onChange(String(next))} />;
  }
  if (spec.kind === "enum") return <Select label={label} description={description} data={spec.choices} allowDeselect={false} value={value} onChange={(next) => onChange(next ?? value)} />;
  if (spec.kind === "words") return <TagsInput label={label} description={description} splitChars={[",", "\n"]} value={splitList(value)} onChange={(next) => onChange(next.join(","))} />;
  if (spec.kind === "lines") return <Textarea label={label} description={description} autosize minRows={3} maxRows={12} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
  if (spec.kind === "prices") return <PriceTable label={label} description={description} value={value} saved={saved} error={error} onChange={onChange} />;
  if (spec.key === "Chats") return <ChatEntries label={label} description={description} value={value} error={error} onChange={onChange} />;
  if (spec.kind === "json:dict") return <JsonField label={label} description={description} value={value} onChange={onChange} error={error} />;
  if (spec.kind === "json:list") return <Textarea label={label} description={description} autosize minRows={3} maxRows={16} styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }} error={error} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
  return <TextInput label={label} description={description} error={error} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
}
