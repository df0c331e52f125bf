// Settings: every option of the installation, by topic; only what was changed is saved, all or nothing.
import { Affix, Alert, Button, Card, Group, Paper, SimpleGrid, Skeleton, Stack, Tabs, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconCloudDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { statusQuery } from "@/shared/api/status";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { PageHeader } from "@/shared/components/PageHeader";
import { SearchInput } from "@/shared/components/SearchInput";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { useUnsavedGuard } from "@/shared/hooks/useUnsavedGuard";
import { useUrlState } from "@/shared/hooks/url-state";
import { checkValue, OPTIONS, type OptionSpec, optionsQuery, saveOptions, specsQuery } from "../api/options";
import { ImportPrices } from "../components/ImportPrices";
import { OptionField } from "../components/OptionField";

const DEFAULTS = { tab: "general", keyword: "" };
const TOPICS = ["general", "prices", "relay", "models", "monitoring", "limits", "credit", "payment", "login", "mail", "security", "logs", "dashboard", "drawing", "sensitive", "system"];
const isWide = (spec: OptionSpec) => ["prices", "lines"].includes(spec.kind) || spec.kind.startsWith("json");

export default function SettingsPage() {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const phone = useMediaQuery("(max-width: 48em)");
  const specs = useQuery(specsQuery);
  const options = useQuery(optionsQuery);
  const [state, setState] = useUrlState(DEFAULTS);
  const [edits, setEdits] = useState<Record<string, string>>({});
  const [importing, setImporting] = useState(false);
  const stored = useMemo(() => new Map((options.data ?? []).map((option) => [option.key, option])), [options.data]);
  const savedOf = (spec: OptionSpec) => (spec.secret ? "" : (stored.get(spec.key)?.value ?? spec.default));
  const changed = (specs.data ?? []).filter((spec) => edits[spec.key] !== undefined && edits[spec.key] !== savedOf(spec));
  const wrong = changed.filter((spec) => checkValue(spec, edits[spec.key]!));
  const valueOf = useCallback((key: string) => edits[key] ?? stored.get(key)?.value ?? specs.data?.find((spec) => spec.key === key)?.default ?? "{}", [edits, stored, specs.data]);
  useUnsavedGuard(changed.length > 0);
  const save = useAction({
    run: () => saveOptions(changed.map((spec) => ({ key: spec.key, value: edits[spec.key]! }))),
    done: t("settings.saved"),
    refresh: [OPTIONS, statusQuery.queryKey, ["pricing"]],
    onDone: () => setEdits({}),
  });
  const searched = state.keyword.toLowerCase();
  const matches = (spec: OptionSpec) => [spec.key, spec.help_en, spec.help_zh].some((text) => text.toLowerCase().includes(searched));
  const shown = (specs.data ?? []).filter((spec) => (searched ? matches(spec) : spec.group === state.tab));
  const failure = specs.error ?? options.error;
  if (failure) return <ErrorState error={failure} onRetry={() => { void specs.refetch(); void options.refetch(); }} />;
  return (
    <>
      <PageHeader title={t("settings.title")} hint={t("settings.hint")}>
        {state.tab === "prices" && <Button variant="default" leftSection={<IconCloudDownload size={16} />} disabled={!specs.data || !options.data} onClick={() => setImporting(true)}>{t("settings.import.title")}</Button>}
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
          {save.error && <Alert color="red" role="alert">{errorText(save.error)}</Alert>}
          {!specs.data || !options.data ? (
            <Skeleton h={360} />
          ) : shown.length === 0 ? (
            <EmptyState message={t("settings.noMatch")} />
          ) : (
            <Card withBorder>
              <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg" verticalSpacing="lg">
                {shown.filter((spec) => !isWide(spec)).map((spec) => (
                  <OptionField key={spec.key} spec={spec} value={edits[spec.key] ?? savedOf(spec)} saved={savedOf(spec)} isSet={stored.get(spec.key)?.set ?? false} onChange={(value) => setEdits((previous) => ({ ...previous, [spec.key]: value }))} />
                ))}
              </SimpleGrid>
              <Stack gap="lg" mt={shown.some((spec) => !isWide(spec)) && shown.some(isWide) ? "lg" : 0}>
                {shown.filter(isWide).map((spec) => (
                  <OptionField key={spec.key} spec={spec} value={edits[spec.key] ?? savedOf(spec)} saved={savedOf(spec)} isSet={false} onChange={(value) => setEdits((previous) => ({ ...previous, [spec.key]: value }))} />
                ))}
              </Stack>
            </Card>
          )}
        </Stack>
      </Tabs>
      {importing && <ImportPrices own={valueOf} onApply={(changes) => setEdits((previous) => ({ ...previous, ...changes }))} onClose={() => setImporting(false)} />}
      {changed.length > 0 && (
        <Affix position={{ bottom: 16, right: 16 }}>
          <Paper shadow="lg" withBorder p="sm">
            <Group gap="sm">
              <Text size="sm">{wrong.length ? t("settings.mend", { keys: wrong.map((spec) => spec.key).join(", ") }) : t("settings.unsaved", { count: changed.length })}</Text>
              <Button variant="default" size="sm" onClick={() => setEdits({})}>{t("settings.discard")}</Button>
              <Button size="sm" disabled={wrong.length > 0} loading={save.isPending} onClick={() => save.mutate()}>{t("shared.action.save")}</Button>
            </Group>
          </Paper>
        </Affix>
      )}
    </>
  );
}
