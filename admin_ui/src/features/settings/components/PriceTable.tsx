// A table of ratios or prices by name: rows to edit, or the JSON behind them, and what saving would change.
import { ActionIcon, Alert, Autocomplete, Badge, Box, Button, Group, Input, NumberInput, ScrollArea, SegmentedControl, Table, Text, Textarea, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { type ReactNode, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/shared/format/useFormat";
import { priceChanges, readPrices } from "../api/options";

const USD_PER_RATIO = 2; // of a million tokens
const SHOWN = 50; // rows; a search narrows the rest

interface PriceTableProps {
  label: string;
  description: string;
  value: string; // JSON
  saved: string;
  error: ReactNode;
  suggest: string[]; // names that may be meant
  perMillion: boolean; // the values are ratios of which 1 is 2 USD for a million tokens
  onChange: (value: string) => void;
}

export function PriceTable({ label, description, value, saved, error, suggest, perMillion, onChange }: PriceTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const [view, setView] = useState("table");
  const [keyword, setKeyword] = useState("");
  const [name, setName] = useState("");
  const prices = useMemo(() => readPrices(value), [value]);
  const changes = useMemo(() => priceChanges(saved, value), [saved, value]);
  const names = Object.keys(prices).filter((one) => one.toLowerCase().includes(keyword.toLowerCase()));
  const write = (next: Record<string, number>) => onChange(JSON.stringify(next, null, 2));
  const add = () => {
    if (!name.trim() || name.trim() in prices) return;
    write({ [name.trim()]: 1, ...prices });
    setName("");
  };
  return (
    <Input.Wrapper label={label} description={description} error={error} labelElement="div">
      <Group justify="space-between" my={6} gap="xs">
        <SegmentedControl size="xs" aria-label={t("settings.viewOf", { name: label })} value={view} onChange={setView} data={[{ value: "table", label: t("settings.asTable") }, { value: "json", label: t("settings.asJson") }]} />
        {view === "table" && <TextInput size="xs" aria-label={t("settings.searchNames")} placeholder={t("settings.searchNames")} value={keyword} onChange={(event) => setKeyword(event.currentTarget.value)} />}
      </Group>
      {view === "json" ? (
        <Textarea aria-label={label} autosize minRows={6} maxRows={20} styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }} value={value} onChange={(event) => onChange(event.currentTarget.value)} />
      ) : (
        <Box>
          {names.length === 0 && <Text size="sm" c="dimmed">{t(keyword ? "settings.noMatch" : "settings.rows.none")}</Text>}
          <ScrollArea.Autosize mah={340} type="auto">
            <Table verticalSpacing={3} fz="sm">
              <Table.Tbody>
                {names.slice(0, SHOWN).map((one) => (
                  <Table.Tr key={one}>
                    <Table.Td style={{ wordBreak: "break-all" }}>{one}</Table.Td>
                    {perMillion && <Table.Td w={170} c="dimmed" ta="right" className="num" style={{ whiteSpace: "nowrap" }} visibleFrom="xs">{t("settings.perMillion", { price: format.number(prices[one]! * USD_PER_RATIO, 4) })}</Table.Td>}
                    <Table.Td w={150}>
                      <NumberInput size="xs" aria-label={t("settings.valueOf", { name: one })} min={-1} decimalScale={8} value={prices[one]!} onChange={(next) => write({ ...prices, [one]: Number(next) || 0 })} />
                    </Table.Td>
                    <Table.Td w={40}>
                      <ActionIcon variant="subtle" color="red" aria-label={t("settings.removeOf", { name: one })} onClick={() => write(Object.fromEntries(Object.entries(prices).filter(([key]) => key !== one)))}>
                        <IconTrash size={15} />
                      </ActionIcon>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </ScrollArea.Autosize>
          {names.length > SHOWN && <Text size="xs" c="dimmed" mt={4}>{t("settings.moreNames", { count: names.length - SHOWN })}</Text>}
          <Group gap="xs" mt={6} wrap="nowrap">
            <Autocomplete size="xs" style={{ flex: 1 }} aria-label={t("settings.newName")} placeholder={t("settings.newName")} data={suggest.filter((one) => !(one in prices))} limit={20} value={name} onChange={setName} onKeyDown={(event) => event.key === "Enter" && (event.preventDefault(), add())} />
            <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} disabled={!name.trim() || name.trim() in prices} onClick={add}>{t("settings.addName")}</Button>
          </Group>
        </Box>
      )}
      {changes.length > 0 && (
        <Alert mt="xs" color="blue" p="xs" title={t("settings.changes", { count: changes.length })}>
          <Group gap={6}>
            {changes.slice(0, 12).map((change) => (
              <Badge key={change.name} color={change.after === null ? "red" : change.before === null ? "teal" : "blue"} variant="light" tt="none">
                {change.name}: {change.before ?? "–"} → {change.after ?? "–"}
              </Badge>
            ))}
            {changes.length > 12 && <Text size="xs">+{changes.length - 12}</Text>}
          </Group>
        </Alert>
      )}
    </Input.Wrapper>
  );
}
