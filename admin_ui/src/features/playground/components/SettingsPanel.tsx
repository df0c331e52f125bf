// Whom to ask and how: models, group, system prompt, parameters. A number that is not set is not sent.
import { Badge, Button, Divider, Group, MultiSelect, NumberInput, SegmentedControl, Select, type SelectProps, SimpleGrid, Stack, Switch, TagsInput, Text, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { groupsQuery, MODELS_MAX, modelsQuery } from "../api/choices";
import { countSet, DEFAULTS, EFFORTS, FORMATS, NUMBERS, type Parameters, schemaIsRight, STOPS_MAX } from "../api/parameters";

const ratioColor = (ratio: number) => (ratio > 5 ? "red" : ratio > 3 ? "orange" : ratio > 1 ? "blue" : "green");

interface SettingsPanelProps {
  chosen: string[];
  onChosen: (models: string[]) => void;
  parameters: Parameters;
  onParameters: (parameters: Parameters) => void;
}
export function SettingsPanel({ chosen, onChosen, parameters, onParameters }: SettingsPanelProps) {
  const { t } = useTranslation();
  const self = useSelf();
  const models = useQuery(modelsQuery);
  const groups = useQuery(groupsQuery);
  const set = (more: Partial<Parameters>) => onParameters({ ...parameters, ...more });
  const known = groups.data ?? {};
  const own = self?.group ?? "";
  const names = Object.keys(known).sort((a, b) => Number(b === own) - Number(a === own));
  const renderGroup: SelectProps["renderOption"] = ({ option }) => (
    <Group justify="space-between" wrap="nowrap" gap="xs" flex={1}>
      <div style={{ minWidth: 0 }}>
        <Text size="sm" truncate>{option.value}</Text>
        <Text size="xs" c="dimmed" truncate>{known[option.value]?.desc}</Text>
      </div>
      <Badge color={ratioColor(known[option.value]?.ratio ?? 1)}>×{known[option.value]?.ratio}</Badge>
    </Group>
  );
  return (
    <Stack gap="sm">
      <MultiSelect label={t("playground.models")} description={t("playground.chooseModel", { count: MODELS_MAX })} data={models.data ?? []} searchable maxValues={MODELS_MAX} value={chosen} onChange={onChosen} hidePickedOptions nothingFoundMessage={t("playground.noSuchModel")} limit={100} />
      <Select label={t("playground.group")} clearable placeholder={t("playground.ownGroup")} disabled={names.length === 0} data={names} renderOption={renderGroup} value={parameters.group || null} onChange={(group) => set({ group: group ?? "" })} />
      <Textarea label={t("playground.system")} placeholder={t("playground.systemHint")} autosize minRows={2} maxRows={10} value={parameters.system} onChange={(event) => set({ system: event.currentTarget.value })} />
      <Divider label={t("playground.parameters")} labelPosition="left" />
      <SimpleGrid cols={2} spacing="xs" verticalSpacing="xs">
        {NUMBERS.map(({ name, whole, ...range }) => (
          <NumberInput key={name} label={t(`playground.parameter.${name}`)} placeholder={t("playground.unset")} {...range} allowDecimal={!whole} clampBehavior="blur" value={parameters[name]} onChange={(value) => set({ [name]: value === "" ? "" : Number(value) })} />
        ))}
      </SimpleGrid>
      <TagsInput label={t("playground.parameter.stop")} placeholder={parameters.stop.length < STOPS_MAX ? t("playground.stopHint") : ""} maxTags={STOPS_MAX} splitChars={[]} value={parameters.stop} onChange={(stop) => set({ stop })} />
      <Select label={t("playground.parameter.effort")} description={t("playground.effortHint")} clearable placeholder={t("playground.unset")} data={EFFORTS.map((value) => ({ value, label: t(`playground.effort.${value}`) }))} value={parameters.effort || null} onChange={(value) => set({ effort: value ?? "" })} />
      <div>
        <Text size="sm" fw={500} mb={4} id="playground-format">{t("playground.parameter.format")}</Text>
        <SegmentedControl fullWidth size="xs" aria-labelledby="playground-format" data={FORMATS.map((value) => ({ value, label: t(`playground.format.${value}`) }))} value={parameters.format} onChange={(value) => set({ format: value as Parameters["format"] })} />
        {parameters.format === "json_object" && <Text size="xs" c="dimmed" mt={4}>{t("playground.jsonHint")}</Text>}
      </div>
      {parameters.format === "json_schema" && (
        <Textarea label={t("playground.schema")} autosize minRows={4} maxRows={14} styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12 } }} error={schemaIsRight(parameters) ? undefined : t("shared.json.syntax")} value={parameters.schema} onChange={(event) => set({ schema: event.currentTarget.value })} />
      )}
      <Switch label={t("playground.streamed")} checked={parameters.stream} onChange={(event) => set({ stream: event.currentTarget.checked })} />
      <Button variant="subtle" color="gray" size="xs" disabled={countSet(parameters) === 0 && parameters.stream && !parameters.group} onClick={() => onParameters(DEFAULTS)}>{t("playground.resetParameters")}</Button>
    </Stack>
  );
}
