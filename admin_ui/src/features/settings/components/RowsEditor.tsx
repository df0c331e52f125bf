// A JSON setting as a table: names are given when a row is added, values are edited in place; or the JSON behind it.
import { ActionIcon, Autocomplete, Button, Group, Input, NumberInput, SegmentedControl, Table, TagsInput, Text, Textarea, TextInput, Tooltip } from "@mantine/core";
import { IconArrowUp, IconPlus, IconTrash } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import { move } from "../api/chat-entries";
import { type ColumnKind, columnsOf, mayAdd, namesOf, readRows, type Row, type RowColumn, type Shape, writeRows } from "../api/json-rows";

interface RowsEditorProps {
  settingKey: string;
  shape: Shape;
  label: string;
  description: ReactNode;
  value: string; // JSON
  error: ReactNode;
  suggest: (kind: ColumnKind) => string[];
  onChange: (value: string) => void;
}
const MONO = { input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } };

interface CellProps {
  column: RowColumn;
  label: string;
  value: string;
  suggest: (kind: ColumnKind) => string[];
  onChange: (value: string) => void;
}
function Cell({ column, label, value, suggest, onChange }: CellProps) {
  if (column.kind === "number") return <NumberInput size="xs" aria-label={label} placeholder={label} min={0} thousandSeparator="," value={value === "" ? "" : Number(value)} onChange={(next) => onChange(String(next))} />;
  if (column.kind === "words") return <TagsInput size="xs" aria-label={label} placeholder={label} splitChars={[","]} value={splitList(value)} onChange={(next) => onChange(next.join(", "))} />;
  if (column.kind === "text") return <TextInput size="xs" aria-label={label} placeholder={label} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
  return <Autocomplete size="xs" aria-label={label} placeholder={label} data={suggest(column.kind)} limit={20} value={value} onChange={onChange} />;
}

export function RowsEditor({ settingKey, shape, label, description, value, error, suggest, onChange }: RowsEditorProps) {
  const { t } = useTranslation();
  const columns = columnsOf(settingKey, shape);
  const names = namesOf(shape);
  const rows = readRows(shape, value);
  const [view, setView] = useState("table");
  const [fresh, setFresh] = useState<Row>(() => columns.map(() => ""));
  const write = (next: readonly Row[]) => onChange(writeRows(shape, next));
  const title = (column: RowColumn) => t(`settings.rows.${column.id}`);
  const add = () => {
    if (!rows || !mayAdd(shape, rows, fresh)) return;
    write([...rows, fresh.map((text, at) => (columns[at]!.kind === "number" && !text ? "0" : text.trim()))]);
    setFresh(columns.map(() => ""));
  };
  const isTwice = rows !== null && fresh.slice(0, names).every((text) => text.trim()) && !mayAdd(shape, rows, fresh);
  return (
    <Input.Wrapper label={label} description={description} error={error} labelElement="div">
      <SegmentedControl my={6} size="xs" aria-label={t("settings.viewOf", { name: label })} value={rows ? view : "json"} onChange={setView} data={[{ value: "table", label: t("settings.asTable"), disabled: !rows }, { value: "json", label: t("settings.asJson") }]} />
      {view === "json" || !rows ? (
        <Textarea aria-label={label} autosize minRows={3} maxRows={16} spellCheck={false} styles={MONO} value={value} onChange={(event) => onChange(event.currentTarget.value)} />
      ) : (
        <Table fz="sm" verticalSpacing={4} horizontalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => <Table.Th key={column.id}>{title(column)}</Table.Th>)}
              <Table.Th w={72}><span className="visually-hidden">{t("shared.table.actions")}</span></Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row, index) => {
              const name = row.slice(0, names).join(" · ");
              return (
                <Table.Tr key={name}>
                  {columns.map((column, at) => (
                    <Table.Td key={column.id} style={{ wordBreak: "break-word" }}>
                      {at < names ? row[at] : <Cell column={column} label={t("settings.rows.of", { what: title(column), name })} value={row[at]!} suggest={suggest} onChange={(text) => write(rows.map((one, place) => (place === index ? one.map((old, cell) => (cell === at ? text : old)) : one)))} />}
                    </Table.Td>
                  ))}
                  <Table.Td>
                    <Group gap={2} wrap="nowrap" justify="flex-end">
                      {shape === "names" && (
                        <Tooltip label={t("settings.chat.up")}>
                          <ActionIcon variant="subtle" color="gray" disabled={index === 0} aria-label={t("settings.chat.upOf", { name })} onClick={() => write(move(rows, index, -1))}><IconArrowUp size={15} /></ActionIcon>
                        </Tooltip>
                      )}
                      <ActionIcon variant="subtle" color="red" aria-label={t("settings.removeOf", { name })} onClick={() => write(rows.filter((_, place) => place !== index))}><IconTrash size={15} /></ActionIcon>
                    </Group>
                  </Table.Td>
                </Table.Tr>
              );
            })}
            {rows.length === 0 && <Table.Tr><Table.Td colSpan={columns.length + 1}><Text size="sm" c="dimmed">{t("settings.rows.none")}</Text></Table.Td></Table.Tr>}
            <Table.Tr>
              {columns.map((column, at) => (
                <Table.Td key={column.id} onKeyDown={(event) => event.key === "Enter" && add()}>
                  <Cell column={column} label={t("settings.rows.new", { what: title(column) })} value={fresh[at]!} suggest={suggest} onChange={(text) => setFresh(fresh.map((old, cell) => (cell === at ? text : old)))} />
                </Table.Td>
              ))}
              <Table.Td>
                <Group justify="flex-end"><ActionIcon variant="default" aria-label={t("settings.rows.add", { name: label })} disabled={!mayAdd(shape, rows, fresh)} onClick={add}><IconPlus size={15} /></ActionIcon></Group>
              </Table.Td>
            </Table.Tr>
          </Table.Tbody>
        </Table>
      )}
      {view === "table" && isTwice && <Text size="xs" c="var(--bad)" role="alert">{t("settings.rows.twice")}</Text>}
      {view === "json" && rows && <Button size="compact-xs" variant="subtle" mt={4} onClick={() => write(rows)}>{t("shared.json.format")}</Button>}
    </Input.Wrapper>
  );
}
