// Prices of another gateway or provider beside ours: choose what to take over; nothing is saved before the page is.
import { Alert, Badge, Button, Checkbox, FileButton, Group, Modal, ScrollArea, SegmentedControl, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconCloudDownload, IconFileUpload } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { applyDifferences, differences, fetchPrices, type PriceLists, readUpstream } from "../api/upstream-prices";

interface ImportPricesProps {
  own: (key: string) => string; // the table of an option as JSON, with unsaved changes
  onApply: (changes: Record<string, string>) => void;
  onClose: () => void;
}
const SHOWN = 300; // rows; a search narrows the rest
const EXAMPLE = "https://openrouter.ai/api/v1/models";

export function ImportPrices({ own, onApply, onClose }: ImportPricesProps) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const [url, setUrl] = useState("");
  const [lists, setLists] = useState<PriceLists | null>(null);
  const [isUnknown, setIsUnknown] = useState(false);
  const [which, setWhich] = useState("known");
  const [keyword, setKeyword] = useState("");
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set()); // ids that are not taken over
  const take = (document: unknown) => {
    const found = readUpstream(document);
    setLists(found);
    setIsUnknown(found === null);
  };
  const fetch = useAction({ run: () => fetchPrices(url.trim()), onDone: take });
  const open = async (file: File | null) => {
    if (!file) return;
    try {
      take(JSON.parse(await file.text()));
    } catch {
      setIsUnknown(true);
    }
  };
  const all = useMemo(() => (lists ? differences(own, lists) : []), [lists, own]);
  const rows = all.filter((row) => (which === "known") === (row.ours !== null) && row.model.toLowerCase().includes(keyword.toLowerCase()));
  const chosen = rows.filter((row) => !left.has(row.id));
  const toggle = (id: string) => setLeft((previous) => new Set(previous.has(id) ? [...previous].filter((one) => one !== id) : [...previous, id]));
  return (
    <Modal opened onClose={onClose} size="xl" title={t("settings.import.title")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">{t("settings.import.hint")}</Text>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            fetch.mutate();
          }}
        >
          <Group align="flex-end" gap="xs">
            <TextInput style={{ flex: 1, minWidth: 240 }} label={t("settings.import.address")} placeholder={EXAMPLE} value={url} onChange={(event) => setUrl(event.currentTarget.value)} />
            <Button type="submit" leftSection={<IconCloudDownload size={16} />} disabled={!/^https?:\/\/\S+$/.test(url.trim())} loading={fetch.isPending}>{t("settings.import.fetch")}</Button>
            <FileButton accept="application/json,.json" onChange={(file) => void open(file)}>
              {(props) => <Button {...props} variant="default" leftSection={<IconFileUpload size={16} />}>{t("settings.import.file")}</Button>}
            </FileButton>
          </Group>
        </form>
        {fetch.error && <Alert color="red" role="alert">{errorText(fetch.error)}</Alert>}
        {isUnknown && <Alert color="yellow" role="alert">{t("settings.import.unknown")}</Alert>}
        {lists && (
          <>
            <Group justify="space-between" gap="xs">
              <SegmentedControl
                size="xs"
                aria-label={t("settings.import.which")}
                value={which}
                onChange={setWhich}
                data={[{ value: "known", label: t("settings.import.known", { count: all.filter((row) => row.ours !== null).length }) }, { value: "new", label: t("settings.import.new", { count: all.filter((row) => row.ours === null).length }) }]}
              />
              <TextInput size="xs" aria-label={t("settings.searchNames")} placeholder={t("settings.searchNames")} value={keyword} onChange={(event) => setKeyword(event.currentTarget.value)} />
            </Group>
            <ScrollArea.Autosize mah={360} type="auto">
              <Table fz="sm" verticalSpacing={4} stickyHeader className="num">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th w={34}><Checkbox size="xs" aria-label={t("settings.import.all")} checked={rows.length > 0 && chosen.length === rows.length} indeterminate={chosen.length > 0 && chosen.length < rows.length} onChange={(event) => setLeft(event.currentTarget.checked ? new Set([...left].filter((id) => !rows.some((row) => row.id === id))) : new Set([...left, ...rows.map((row) => row.id)]))} /></Table.Th>
                    <Table.Th>{t("settings.import.model")}</Table.Th>
                    <Table.Th>{t("settings.import.what")}</Table.Th>
                    <Table.Th ta="right">{t("settings.import.ours")}</Table.Th>
                    <Table.Th ta="right">{t("settings.import.theirs")}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {rows.slice(0, SHOWN).map((row) => (
                    <Table.Tr key={row.id}>
                      <Table.Td><Checkbox size="xs" aria-label={`${row.model}: ${t(`settings.import.table.${row.table}`)}`} checked={!left.has(row.id)} onChange={() => toggle(row.id)} /></Table.Td>
                      <Table.Td style={{ wordBreak: "break-all" }}>{row.model}</Table.Td>
                      <Table.Td><Badge color="gray">{t(`settings.import.table.${row.table}`)}</Badge></Table.Td>
                      <Table.Td ta="right" c="dimmed">{row.ours ?? "–"}</Table.Td>
                      <Table.Td ta="right" fw={600}>{row.theirs}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </ScrollArea.Autosize>
            {rows.length === 0 && <Text size="sm" c="dimmed" ta="center">{t("settings.import.same")}</Text>}
            {rows.length > SHOWN && <Text size="xs" c="dimmed">{t("settings.moreNames", { count: rows.length - SHOWN })}</Text>}
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={onClose}>{t("shared.action.cancel")}</Button>
              <Button
                disabled={chosen.length === 0}
                onClick={() => {
                  onApply(applyDifferences(own, chosen));
                  onClose();
                }}
              >
                {t("settings.import.take", { count: chosen.length })}
              </Button>
            </Group>
          </>
        )}
      </Stack>
    </Modal>
  );
}
