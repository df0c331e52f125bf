// Playground: one question to several models at once, streamed side by side, charged to the own account.
import { ActionIcon, Badge, Button, Card, Drawer, Group, Text, Tooltip } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { IconAdjustments, IconCode, IconMessages } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import type { User } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { PageHeader } from "@/shared/components/PageHeader";
import { modelsQuery } from "../api/choices";
import { isRunning, type Turn } from "../api/conversation";
import { countSet, DEFAULTS, type Parameters, schemaIsRight, withDefaults } from "../api/parameters";
import { CodeDialog } from "../components/CodeDialog";
import { Composer, type Draft } from "../components/Composer";
import { HistoryMenu } from "../components/HistoryMenu";
import { RawDialog } from "../components/RawDialog";
import { SettingsPanel } from "../components/SettingsPanel";
import { TurnView } from "../components/TurnView";
import { useFollow } from "../components/useFollow";
import { usePlayground } from "../components/usePlayground";
import classes from "../components/Playground.module.css";

const NOTHING: Draft = { text: "", attachments: [] };

export default function PlaygroundPage() {
  const self = useSelf();
  return self && <Playground key={self.id} self={self} />;
}

function Playground({ self }: { self: User }) {
  const { t } = useTranslation();
  const models = useQuery(modelsQuery);
  const [wanted, setWanted] = useLocalStorage<string[]>({ key: "medusa.playground.models", defaultValue: [], getInitialValueInEffect: false });
  const [kept, setParameters] = useLocalStorage<Partial<Parameters>>({ key: "medusa.playground.parameters", defaultValue: DEFAULTS, getInitialValueInEffect: false });
  const parameters = withDefaults(kept);
  const chosen = wanted.length ? wanted : (models.data ?? []).slice(0, 1);
  const { conversations, current, send, actions, stopAll, exchangeOf, draft: requestOf } = usePlayground(self.id, chosen, parameters);
  const [draft, setDraft] = useState(NOTHING);
  const isWide = useMediaQuery("(min-width: 75em)", true, { getInitialValueInEffect: false });
  const [panel, setPanel] = useState(true); // on wide screens
  const [drawer, setDrawer] = useState(false); // on narrow ones
  const [code, setCode] = useState(false);
  const [raw, setRaw] = useState<{ turnId: string; model: string } | null>(null);
  const onRaw = useCallback((turn: Turn, model: string) => setRaw({ turnId: turn.id, model }), []);
  const busy = isRunning(current);
  useFollow(current.turns.length, current);
  useEffect(() => {
    if (!busy) return;
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && !document.querySelector("[role=dialog]") && stopAll();
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });
  const settings = <SettingsPanel chosen={chosen} onChosen={setWanted} parameters={parameters} onParameters={setParameters} />;
  const changed = countSet(parameters);
  const noModels = models.data?.length === 0 && chosen.length === 0;
  return (
    <>
      <PageHeader title={t("playground.title")} hint={t("playground.hint")}>
        <HistoryMenu kept={conversations.kept} current={current} onShow={conversations.show} onStart={conversations.start} onRemove={conversations.remove} onClear={conversations.clear} />
        <Tooltip label={t("playground.code")}>
          <ActionIcon variant="default" size={36} aria-label={t("playground.code")} disabled={chosen.length === 0} onClick={() => setCode(true)}><IconCode size={18} /></ActionIcon>
        </Tooltip>
        <Button variant="default" leftSection={<IconAdjustments size={16} />} rightSection={changed > 0 ? <Badge size="sm" circle={changed < 10}>{changed}</Badge> : undefined} aria-expanded={isWide ? panel : drawer} onClick={() => (isWide ? setPanel(!panel) : setDrawer(true))}>
          {t("playground.settings")}
        </Button>
      </PageHeader>
      <div className={classes.frame}>
        <section className={classes.talk} aria-label={t("playground.conversation")}>
          <div className={classes.turns}>
            {models.isError ? (
              <ErrorState error={models.error} onRetry={() => void models.refetch()} />
            ) : current.turns.length > 0 ? (
              current.turns.map((turn) => <TurnView key={turn.id} turn={turn} chosen={chosen} actions={actions} onRaw={onRaw} />)
            ) : (
              <Card withBorder className={classes.nothing}>
                <EmptyState icon={IconMessages} message={t(noModels ? "playground.noModels" : "playground.askFirst")} hint={t(noModels ? "playground.noModelsHint" : "playground.askFirstHint")} />
              </Card>
            )}
          </div>
          {!isWide && chosen.length > 0 && <Group gap={4} mb={6}>{chosen.map((model) => <Badge key={model} color="gray">{model}</Badge>)}</Group>}
          {!schemaIsRight(parameters) && <Text size="xs" c="red" mb={6} role="alert">{t("playground.schemaWrong")}</Text>}
          <Composer
            draft={draft}
            onDraft={setDraft}
            busy={busy}
            ready={chosen.length > 0 && schemaIsRight(parameters)}
            onSend={({ text, attachments }) => {
              send(text, attachments);
              setDraft(NOTHING);
            }}
            onStop={stopAll}
          />
        </section>
        {isWide && panel && <Card component="aside" withBorder className={classes.panel} aria-label={t("playground.settings")}>{settings}</Card>}
      </div>
      <Drawer opened={drawer && !isWide} onClose={() => setDrawer(false)} position="right" size={360} title={t("playground.settings")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>{settings}</Drawer>
      {code && <CodeDialog models={chosen} requestFor={(model) => requestOf(model, draft.text, draft.attachments)} onClose={() => setCode(false)} />}
      {raw && <RawDialog model={raw.model} exchange={exchangeOf(raw.turnId, raw.model)} onClose={() => setRaw(null)} />}
    </>
  );
}
