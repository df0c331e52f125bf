// Settings: every option of the installation, by topic; only what was changed is saved, all or nothing. Edits stay while topics change.
import { ActionIcon, Alert, Button, Divider, FileButton, Menu, Skeleton, Stack, Tabs, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconCloudDownload, IconDots, IconDownload, IconUpload } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { OptionSpec } from "@/shared/api/types";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { downloadText } from "@/shared/format/download";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { useNotify } from "@/shared/hooks/useNotify";
import { useUnsavedGuard } from "@/shared/hooks/useUnsavedGuard";
import { useUrlState } from "@/shared/hooks/url-state";
import { exportOptions, importOptions } from "../api/edits";
import type { ColumnKind } from "../api/json-rows";
import { readPrices } from "../api/options";
import { ImportPrices } from "../components/ImportPrices";
import { OptionField } from "../components/OptionField";
import { SaveBar } from "../components/SaveBar";
import { SettingsSections } from "../components/SettingsSections";
import { TestMail } from "../components/TestMail";
import { UnpricedModels } from "../components/UnpricedModels";
import { useSettings } from "../components/useSettings";

const DEFAULTS = { tab: "general", keyword: "" };
const TOPICS = ["general", "prices", "relay", "models", "monitoring", "limits", "credit", "payment", "login", "mail", "security", "logs", "dashboard", "drawing", "sensitive", "system"];
const textsOf = (spec: OptionSpec) => [spec.key, spec.label_en, spec.label_zh, spec.help_en, spec.help_zh];

export default function SettingsPage() {
  const { t, i18n } = useTranslation();
  const errorText = useErrorText();
  const notify = useNotify();
  const phone = useMediaQuery("(max-width: 48em)");
  const settings = useSettings();
  const [state, setState] = useUrlState(DEFAULTS);
  const [importing, setImporting] = useState(false);
  const { specs, stored, edits, changed, valueOf } = settings;
  useUnsavedGuard(changed.length > 0);
  const nameOf = (spec: OptionSpec) => (i18n.language.startsWith("zh") ? spec.label_zh : spec.label_en);
  const searched = state.keyword.toLowerCase();
  const shown = specs.filter((spec) => (searched ? textsOf(spec).some((text) => text.toLowerCase().includes(searched)) : spec.group === state.tab));
  const tables = useMemo(() => specs.filter((spec) => spec.kind === "prices" && spec.group === "prices" && spec.key !== "GroupRatio").map((spec) => spec.key), [specs]);
  const suggest = (kind: ColumnKind): string[] =>
    kind === "group" ? Object.keys(readPrices(valueOf("GroupRatio"))) : kind === "model" ? [...new Set([...Object.keys(readPrices(valueOf("ModelRatio"))), ...Object.keys(readPrices(valueOf("ModelPrice")))])] : [];
  const open = async (file: File | null) => {
    if (!file) return;
    const found = importOptions(await file.text(), specs, stored);
    if (!found) return notify.error(new Error(t("settings.file.unknown")));
    settings.editMany(found);
    notify.info(t("settings.file.read", { count: Object.keys(found).length }));
  };
  if (settings.failure) return <ErrorState error={settings.failure} onRetry={settings.retry} />;
  const field = (spec: OptionSpec) => (
    <OptionField
      key={spec.key}
      spec={spec}
      value={spec.secret ? (edits[spec.key]?.value ?? "") : valueOf(spec.key)}
      saved={settings.savedOf(spec)}
      version={stored.get(spec.key)?.version ?? ""}
      isSet={stored.get(spec.key)?.set ?? false}
      isCleared={edits[spec.key]?.value === null}
      isConflict={settings.conflicts.includes(spec)}
      suggest={suggest}
      tables={tables}
      onChange={(value) => settings.edit(spec.key, value)}
      onKeep={() => settings.keep(spec.key)}
      onTake={() => settings.take(spec.key)}
    />
  );
  return (
    <>
      <PageHeader title={t("settings.title")} hint={t("settings.hint")}>
        {state.tab === "prices" && !searched && <Button variant="default" leftSection={<IconCloudDownload size={16} />} disabled={!settings.isReady} onClick={() => setImporting(true)}>{t("settings.import.title")}</Button>}
        <FileButton accept="application/json,.json" onChange={(file) => void open(file)}>
          {({ onClick }) => (
            <Menu position="bottom-end" shadow="md">
              <Menu.Target>
                <ActionIcon variant="default" size={36} aria-label={t("shared.action.more")} disabled={!settings.isReady}><IconDots size={18} /></ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => downloadText("settings.json", exportOptions(specs, stored), "application/json")}>{t("settings.file.export")}</Menu.Item>
                <Menu.Item leftSection={<IconUpload size={16} />} onClick={onClick}>{t("settings.file.import")}</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          )}
        </FileButton>
        <SearchInput label={t("settings.search")} value={state.keyword} onChange={(keyword) => setState({ keyword })} />
      </PageHeader>
      <Tabs value={searched ? null : state.tab} onChange={(tab) => setState({ tab: tab ?? "general", keyword: "" })} orientation={phone ? "horizontal" : "vertical"} keepMounted={false} variant="pills">
        <Tabs.List w={phone ? undefined : 190} mr={phone ? 0 : "lg"} mb={phone ? "md" : 0} aria-label={t("settings.title")}>
          {TOPICS.map((topic) => {
            const count = changed.filter((spec) => spec.group === topic).length;
            return (
              <Tabs.Tab key={topic} value={topic} styles={phone ? {} : { tabLabel: { textAlign: "left" } }} rightSection={count > 0 ? <Text size="xs" fw={700}>{count}</Text> : null}>
                {t(`settings.topic.${topic}`)}
              </Tabs.Tab>
            );
          })}
        </Tabs.List>
        <Stack style={{ flex: 1, minWidth: 0 }} pb={90}>
          {settings.saveError && <Alert color="red" role="alert">{errorText(settings.saveError)}</Alert>}
          {!settings.isReady ? (
            <Skeleton h={360} />
          ) : shown.length === 0 ? (
            <EmptyState message={t("settings.noMatch")} hint={t("settings.noMatchHint")} action={<Button variant="default" onClick={() => setState({ keyword: "" })}>{t("settings.showAll")}</Button>} />
          ) : (
            <>
              {state.tab === "prices" && !searched && <UnpricedModels own={valueOf} onApply={settings.editMany} />}
              <SettingsSections
                specs={shown}
                titled={!searched}
                field={field}
                after={() => state.tab === "mail" && !searched && <><Divider /><TestMail isChanged={changed.some((spec) => spec.group === "mail")} /></>}
              />
            </>
          )}
        </Stack>
      </Tabs>
      {importing && <ImportPrices own={valueOf} onApply={settings.editMany} onClose={() => setImporting(false)} />}
      {changed.length > 0 && (
        <SaveBar changed={changed.length} wrong={settings.wrong.map(nameOf)} conflicts={settings.conflicts.map(nameOf)} isSaving={settings.isSaving} onDiscard={settings.discard} onSave={settings.save} />
      )}
    </>
  );
}
