// Playground: one prompt to several models at once, streamed side by side, charged to the own account.
import { ActionIcon, Box, Button, Card, Code, Collapse, Group, Modal, MultiSelect, NumberInput, Select, SimpleGrid, Stack, Text, Textarea, Tooltip } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconAdjustments, IconCode, IconMessages, IconPlayerStop, IconSend, IconTrash } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "@/shared/api/client";
import { selfQuery } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import type { GroupInfo } from "@/shared/api/types";
import { CopyButton } from "@/shared/components/CopyButton";
import { EmptyState } from "@/shared/components/EmptyState";
import { PageHeader } from "@/shared/components/PageHeader";
import { serverAddress } from "@/shared/domain/chat-links";
import { curlOf, type Message, type Parameters, streamChat } from "../api/chat";
import { Answer, emptyLane, type Lane } from "../components/Answer";

const MODELS_MAX = 4;
const DEFAULTS: Parameters = { group: "", system: "", temperature: "", top_p: "", max_tokens: "" };

export default function PlaygroundPage() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const status = useStatus();
  const models = useQuery({ queryKey: ["models", "own"], queryFn: ({ signal }) => api.get<string[]>("/api/user/models", { signal }), staleTime: 60_000 });
  const groups = useQuery({ queryKey: ["groups", "own"], queryFn: ({ signal }) => api.get<Record<string, GroupInfo>>("/api/user/self/groups", { signal }), staleTime: 60_000 });
  const [chosen, setChosen] = useLocalStorage<string[]>({ key: "medusa.playground.models", defaultValue: [] });
  const [parameters, setParameters] = useLocalStorage<Parameters>({ key: "medusa.playground.parameters", defaultValue: DEFAULTS });
  const [lanes, setLanes] = useState<Record<string, Lane>>({});
  const [prompt, setPrompt] = useState("");
  const [open, setOpen] = useState(false);
  const [code, setCode] = useState(false);
  const running = useRef(new AbortController());
  useEffect(() => () => running.current.abort(), []);
  const shown = chosen.length ? chosen : (models.data ?? []).slice(0, 1);
  const laneOf = (model: string) => lanes[model] ?? emptyLane(model);
  const busy = shown.some((model) => laneOf(model).running);
  const change = (model: string, changes: Partial<Lane> | ((lane: Lane) => Partial<Lane>)) => setLanes((previous) => {
    const lane = previous[model] ?? emptyLane(model);
    return { ...previous, [model]: { ...lane, ...(typeof changes === "function" ? changes(lane) : changes) } };
  });

  const ask = async (model: string, question: Message, signal: AbortSignal) => {
    const messages = [...laneOf(model).messages, question];
    const started = performance.now();
    let text = "";
    let thinking = "";
    change(model, { messages, text: "", thinking: "", running: true, error: null, firstMs: null, totalMs: null, usage: null });
    try {
      for await (const piece of streamChat(model, messages, parameters, signal)) {
        if (!text && !thinking && (piece.text || piece.thinking)) change(model, { firstMs: performance.now() - started });
        text += piece.text ?? "";
        thinking += piece.thinking ?? "";
        change(model, { text, thinking, ...(piece.usage ? { usage: piece.usage } : {}) });
      }
    } catch (error) {
      if (!signal.aborted) change(model, { error });
    }
    change(model, { running: false, text: "", totalMs: performance.now() - started, messages: text ? [...messages, { role: "assistant", content: text }] : messages });
  };
  const send = () => {
    const content = prompt.trim();
    if (!content || busy || shown.length === 0) return;
    setPrompt("");
    running.current = new AbortController();
    const { signal } = running.current;
    void Promise.all(shown.map((model) => ask(model, { role: "user", content }, signal))).then(() => queries.invalidateQueries({ queryKey: selfQuery.queryKey }));
  };
  const set = <K extends keyof Parameters>(name: K, value: Parameters[K]) => setParameters({ ...parameters, [name]: value });
  const sample = curlOf(serverAddress(status?.server_address), shown[0] ?? "", [...laneOf(shown[0] ?? "").messages, ...(prompt.trim() ? [{ role: "user" as const, content: prompt.trim() }] : [])], parameters);
  return (
    <>
      <PageHeader title={t("playground.title")} hint={t("playground.hint")}>
        <Tooltip label={t("playground.code")}><ActionIcon variant="default" size={36} aria-label={t("playground.code")} onClick={() => setCode(true)}><IconCode size={18} /></ActionIcon></Tooltip>
        <Tooltip label={t("playground.clear")}><ActionIcon variant="default" size={36} aria-label={t("playground.clear")} disabled={busy} onClick={() => setLanes({})}><IconTrash size={18} /></ActionIcon></Tooltip>
      </PageHeader>
      <Card withBorder mb="md" p="sm">
        <Group align="flex-end" gap="sm">
          <MultiSelect style={{ flex: 1, minWidth: 240 }} label={t("playground.models")} placeholder={shown.length ? undefined : t("playground.chooseModel")} data={models.data ?? []} searchable maxValues={MODELS_MAX} value={shown} onChange={setChosen} hidePickedOptions nothingFoundMessage={t("playground.noModels")} limit={100} />
          <Select w={200} label={t("playground.group")} clearable placeholder={t("playground.ownGroup")} data={Object.entries(groups.data ?? {}).map(([name, info]) => ({ value: name, label: `${name} · ×${info.ratio}` }))} value={parameters.group || null} onChange={(group) => set("group", group ?? "")} />
          <Button variant="default" leftSection={<IconAdjustments size={16} />} aria-expanded={open} onClick={() => setOpen(!open)}>{t("playground.parameters")}</Button>
        </Group>
        <Collapse expanded={open}>
          <SimpleGrid cols={{ base: 1, sm: 3 }} mt="sm">
            <NumberInput label={t("playground.temperature")} placeholder={t("playground.unset")} min={0} max={2} step={0.1} value={parameters.temperature} onChange={(value) => set("temperature", value === "" ? "" : Number(value))} />
            <NumberInput label="top_p" placeholder={t("playground.unset")} min={0} max={1} step={0.05} value={parameters.top_p} onChange={(value) => set("top_p", value === "" ? "" : Number(value))} />
            <NumberInput label={t("playground.maxTokens")} placeholder={t("playground.unset")} min={1} allowDecimal={false} value={parameters.max_tokens} onChange={(value) => set("max_tokens", value === "" ? "" : Number(value))} />
          </SimpleGrid>
          <Textarea mt="sm" label={t("playground.system")} autosize minRows={2} maxRows={8} value={parameters.system} onChange={(event) => set("system", event.currentTarget.value)} />
        </Collapse>
      </Card>
      {shown.length === 0 ? (
        <Card withBorder><EmptyState icon={IconMessages} message={t("playground.noModels")} hint={t("playground.noModelsHint")} /></Card>
      ) : (
        <SimpleGrid cols={{ base: 1, md: Math.min(shown.length, 2), xl: shown.length }} mb="md">
          {shown.map((model) => <Answer key={model} lane={laneOf(model)} onRemove={shown.length > 1 && !busy ? () => setChosen(shown.filter((one) => one !== model)) : undefined} />)}
        </SimpleGrid>
      )}
      <Box pos="sticky" bottom={12}>
        <Card withBorder p="xs" shadow="sm">
          <Group align="flex-end" gap="xs" wrap="nowrap">
            <Textarea style={{ flex: 1 }} aria-label={t("playground.prompt")} placeholder={t("playground.promptHint")} autosize minRows={1} maxRows={8} value={prompt} onChange={(event) => setPrompt(event.currentTarget.value)} onKeyDown={(event) => { if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) { event.preventDefault(); send(); } }} />
            {busy ? <Button color="red" leftSection={<IconPlayerStop size={16} />} onClick={() => running.current.abort()}>{t("playground.stop")}</Button> : <Button leftSection={<IconSend size={16} />} disabled={!prompt.trim() || shown.length === 0} onClick={send}>{t("playground.send")}</Button>}
          </Group>
        </Card>
      </Box>
      <Modal opened={code} onClose={() => setCode(false)} size="lg" title={t("playground.code")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
        <Stack>
          <Code block style={{ overflow: "auto", maxHeight: 420 }}>{sample}</Code>
          <Group gap={4}><CopyButton value={sample} size="md" /><Text size="sm">{t("playground.copyCode")}</Text></Group>
        </Stack>
      </Modal>
    </>
  );
}
