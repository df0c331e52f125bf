// Create or edit a channel: every field the chosen type needs, in four sections, checked before it is sent.
import { Alert, Button, Checkbox, Drawer, Group, NumberInput, PasswordInput, Select, SimpleGrid, Stack, Switch, Tabs, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconAlertTriangle, IconCloudDownload, IconInfoCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import { ErrorState } from "@/shared/components/ErrorState";
import { JsonField } from "@/shared/components/JsonField";
import { CHANNEL_TYPES } from "@/shared/domain/channel-types";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { useUnsavedGuard } from "@/shared/hooks/useUnsavedGuard";
import { addressKind, type ChannelForm, checkForm, defaultModels, EMPTY_FORM, formOf, keyFormat, otherKind, writeForm } from "../api/channel-form";
import { CHANNELS, channelQuery, createChannel, fetchModels, fetchModelsBefore, groupsQuery, knownModelsQuery, typeModelsQuery, updateChannel } from "../api/channels";

const SECTION_OF: Partial<Record<keyof ChannelForm, string>> = { model_mapping: "models", models: "models", setting: "advanced", param_override: "advanced", status_code_mapping: "advanced", groups: "routing" };

export function ChannelDialog({ id, onClose }: { id: number | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const channel = useQuery({ ...channelQuery(id ?? 0), enabled: id !== undefined });
  const ready = id === undefined ? EMPTY_FORM : channel.data ? formOf(channel.data) : undefined;
  const title = t(id === undefined ? "channels.dialog.create" : "channels.dialog.edit");
  if (channel.isError) {
    return (
      <Drawer opened onClose={onClose} title={title} position="right" size={640}>
        <ErrorState error={channel.error} onRetry={() => void channel.refetch()} />
      </Drawer>
    );
  }
  return ready ? <ChannelEditor key={id ?? "new"} id={id} initial={ready} title={title} onClose={onClose} /> : <Drawer opened onClose={onClose} title={title} position="right" size={640} />;
}

function ChannelEditor({ id, initial, title, onClose }: { id: number | undefined; initial: ChannelForm; title: string; onClose: () => void }) {
  const { t } = useTranslation();
  const creating = id === undefined;
  const [tab, setTab] = useState<string | null>("provider");
  const [custom, setCustom] = useState("");
  const errorText = useErrorText();
  const groups = useQuery(groupsQuery);
  const byType = useQuery(typeModelsQuery);
  const known = useQuery(knownModelsQuery);
  const form = useForm<ChannelForm>({ initialValues: initial });
  const values = form.values;
  const mayLeave = useUnsavedGuard(form.isDirty());
  const close = () => mayLeave() && onClose();

  const save = useAction({
    run: (): Promise<unknown> => {
      const body = writeForm(values, id);
      return id === undefined ? createChannel(body) : updateChannel({ ...body, id });
    },
    done: t(creating ? "channels.dialog.created" : "channels.dialog.saved"),
    refresh: [CHANNELS, ["health"]],
    onDone: () => {
      form.resetDirty();
      window.setTimeout(onClose);
    },
  });
  const upstream = useAction({
    run: () => (id === undefined || values.key ? fetchModelsBefore({ base_url: values.base_url, type: values.type, key: values.key.split("\n")[0] ?? "" }) : fetchModels(id)),
    done: (found) => t("channels.dialog.fetched", { count: found.length }),
    onDone: (found) => form.setFieldValue("models", [...new Set([...values.models, ...found])]),
  });

  // a type chosen for a new channel brings its usual models
  useEffect(() => {
    if (creating && !form.isDirty("models") && byType.data) form.setFieldValue("models", defaultModels(values.type, byType.data));
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [values.type, byType.data]);

  const submit = () => {
    const problems = checkForm(values, creating);
    const fields = Object.keys(problems) as (keyof ChannelForm)[];
    form.setErrors(Object.fromEntries(fields.map((field) => [field, t(`channels.problem.${problems[field]!}`)])));
    if (fields[0]) setTab(SECTION_OF[fields[0]] ?? "provider");
    else save.mutate();
  };

  const address = addressKind(values.type);
  const other = otherKind(values.type);
  const notice = { 3: "azure", 8: "custom", 37: "dify" }[values.type];
  const modelChoices = useMemo(() => [...new Set([...(known.data ?? []), ...values.models])], [known.data, values.models]);
  const addCustom = () => {
    form.setFieldValue("models", [...new Set([...values.models, ...splitList(custom)])]);
    setCustom("");
  };

  return (
    <Drawer opened onClose={close} title={title} position="right" size={680} styles={{ title: { fontWeight: 650, fontSize: 18 } }} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Tabs value={tab} onChange={setTab} keepMounted>
          <Tabs.List mb="md">
            {["provider", "models", "routing", "advanced"].map((name) => (
              <Tabs.Tab key={name} value={name} {...(Object.keys(form.errors).some((field) => (SECTION_OF[field as keyof ChannelForm] ?? "provider") === name) ? { rightSection: <IconAlertTriangle size={14} color="var(--mantine-color-red-6)" /> } : {})}>
                {t(`channels.section.${name}`)}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="provider">
            <Stack gap="sm">
              <Select
                label={t("channels.field.type")}
                searchable
                allowDeselect={false}
                data={CHANNEL_TYPES.map(([value, label]) => ({ value: String(value), label }))}
                value={String(values.type)}
                onChange={(value) => form.setFieldValue("type", Number(value))}
              />
              {notice && (
                <Alert icon={<IconInfoCircle size={18} />} py="xs">
                  {t(`channels.notice.${notice}`)}
                </Alert>
              )}
              <TextInput label={t("channels.field.name")} data-autofocus {...form.getInputProps("name")} />
              {address !== "none" && (
                <TextInput label={t(`channels.address.${address}`)} placeholder="https://" {...form.getInputProps("base_url")} description={/\/v1\/?$/.test(values.base_url) && address === "optional" ? t("channels.problem.url_v1") : undefined} />
              )}
              {other && <TextInput label={t(`channels.other.${other}`)} {...form.getInputProps("other")} />}
              {values.many || values.type === 41 ? (
                <Textarea label={t("channels.field.key")} description={values.many ? t("channels.hint.many") : undefined} placeholder={keyFormat(values.type)} autosize minRows={4} maxRows={10} spellCheck={false} {...form.getInputProps("key")} />
              ) : (
                <PasswordInput label={t("channels.field.key")} description={creating ? undefined : t("channels.hint.keepKey")} placeholder={keyFormat(values.type)} autoComplete="off" visibilityToggleButtonProps={{ "aria-label": t("channels.hint.reveal") }} {...form.getInputProps("key")} />
              )}
              {creating && values.type !== 41 && <Checkbox label={t("channels.field.many")} {...form.getInputProps("many", { type: "checkbox" })} />}
              {values.type === 1 && <TextInput label={t("channels.field.openai_organization")} {...form.getInputProps("openai_organization")} />}
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="models">
            <Stack gap="sm">
              <TagsInput label={t("channels.field.models")} description={t("channels.hint.models", { count: values.models.length })} data={modelChoices} limit={60} splitChars={[",", "\n"]} clearable maxDropdownHeight={260} {...form.getInputProps("models")} />
              <Group gap="xs">
                <Button size="compact-sm" variant="default" onClick={() => form.setFieldValue("models", [...new Set([...values.models, ...defaultModels(values.type, byType.data)])])}>
                  {t("channels.models.ofType")}
                </Button>
                <Button size="compact-sm" variant="default" onClick={() => form.setFieldValue("models", known.data ?? [])}>
                  {t("channels.models.all")}
                </Button>
                <Button size="compact-sm" variant="default" leftSection={<IconCloudDownload size={15} />} loading={upstream.isPending} onClick={() => upstream.mutate()}>
                  {t("channels.models.upstream")}
                </Button>
                <Button size="compact-sm" variant="subtle" color="red" onClick={() => form.setFieldValue("models", [])}>
                  {t("shared.action.clear")}
                </Button>
              </Group>
              <Group gap="xs" align="flex-end" wrap="nowrap">
                <TextInput style={{ flex: 1 }} label={t("channels.field.custom")} placeholder={t("channels.field.customExample")} value={custom} onChange={(event) => setCustom(event.currentTarget.value)} />
                <Button variant="default" disabled={!custom.trim()} onClick={addCustom}>
                  {t("channels.models.add")}
                </Button>
              </Group>
              <JsonField label={t("channels.field.model_mapping")} description={t("channels.hint.model_mapping")} template={{ "gpt-4o": "gpt-4o-2024-11-20" }} value={values.model_mapping} onChange={(value) => form.setFieldValue("model_mapping", value)} />
              <Select label={t("channels.field.test_model")} description={t("channels.hint.test_model")} data={values.models} searchable clearable value={values.test_model || null} onChange={(value) => form.setFieldValue("test_model", value ?? "")} />
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="routing">
            <Stack gap="sm">
              <TagsInput label={t("channels.field.groups")} description={t("channels.hint.groups")} data={groups.data ?? []} splitChars={[","]} {...form.getInputProps("groups")} />
              <TextInput label={t("channels.field.tag")} description={t("channels.hint.tag")} {...form.getInputProps("tag")} />
              <Textarea label={t("channels.field.remark")} description={t("channels.hint.remark")} autosize minRows={1} maxRows={6} {...form.getInputProps("remark")} />
              <SimpleGrid cols={2}>
                <NumberInput label={t("channels.field.priority")} description={t("channels.hint.priority")} allowDecimal={false} {...form.getInputProps("priority")} onChange={(value) => form.setFieldValue("priority", Number(value) || 0)} />
                <NumberInput label={t("channels.field.weight")} description={t("channels.hint.weight")} min={0} allowDecimal={false} {...form.getInputProps("weight")} onChange={(value) => form.setFieldValue("weight", Number(value) || 0)} />
              </SimpleGrid>
              <Switch label={t("channels.field.auto_ban")} description={t("channels.hint.auto_ban")} {...form.getInputProps("auto_ban", { type: "checkbox" })} />
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="advanced">
            <Stack gap="sm">
              <JsonField label={t("channels.field.setting")} description={t("channels.hint.setting")} template={{ force_format: false, thinking_to_content: false, proxy: "" }} value={values.setting} onChange={(value) => form.setFieldValue("setting", value)} />
              <Textarea label={t("channels.field.system_prompt")} description={t("channels.hint.system_prompt")} autosize minRows={2} maxRows={10} {...form.getInputProps("system_prompt")} />
              <JsonField label={t("channels.field.param_override")} description={t("channels.hint.param_override")} template={{ temperature: 0 }} value={values.param_override} onChange={(value) => form.setFieldValue("param_override", value)} />
              <JsonField label={t("channels.field.status_code_mapping")} description={t("channels.hint.status_code_mapping")} template={{ "400": "500" }} value={values.status_code_mapping} onChange={(value) => form.setFieldValue("status_code_mapping", value)} />
            </Stack>
          </Tabs.Panel>
        </Tabs>
        {save.error && (
          <Alert color="red" mt="md" role="alert">
            {errorText(save.error)}
          </Alert>
        )}
        <Group justify="space-between" mt="xl" style={{ position: "sticky", bottom: 0, background: "var(--mantine-color-body)", padding: "12px 0", borderTop: "1px solid var(--line)", zIndex: 2 }}>
          <Text size="xs" c="dimmed">
            {creating ? "" : `#${id}`}
          </Text>
          <Group gap="xs">
            <Button variant="default" onClick={close}>
              {t("shared.action.cancel")}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {t(creating ? "shared.action.create" : "shared.action.save")}
            </Button>
          </Group>
        </Group>
      </form>
    </Drawer>
  );
}
