// Create or edit a token. A new token's key is shown once at the end.
import { Alert, Button, Code, Drawer, Group, NumberInput, Select, Stack, Switch, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { DateTimePicker } from "@mantine/dates";
import "@mantine/dates/styles.layer.css";
import { useForm } from "@mantine/form";
import { IconInfoCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { splitList } from "@/shared/api/json-text";
import type { Token } from "@/shared/api/types";
import { CopyButton } from "@/shared/components/CopyButton";
import { QuotaInput } from "@/shared/components/QuotaInput";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { useUnsavedGuard } from "@/shared/hooks/useUnsavedGuard";
import { badAddresses, createToken, ownGroupsQuery, ownModelsQuery, TOKENS, type TokenWrite, updateToken } from "../api/tokens";

const DAY_S = 86_400;
const EXPIRIES = [["never", 0], ["hour", 3600], ["day", DAY_S], ["month", 30 * DAY_S]] as const;
const NOTE_MAX = 500; // characters

export function TokenDialog({ token, onClose }: { token: Token | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const errorText = useErrorText();
  const models = useQuery(ownModelsQuery);
  const groups = useQuery(ownGroupsQuery);
  const [keys, setKeys] = useState<string[]>([]);
  const form = useForm({
    initialValues: {
      name: token?.name ?? "",
      expired_time: token?.expired_time ?? -1,
      remain_quota: token?.remain_quota ?? 500_000,
      unlimited: token?.unlimited_quota ?? false,
      limited: token?.model_limits_enabled ?? false,
      models: splitList(token?.model_limits),
      ips: token?.allow_ips ?? "",
      group: token?.group ?? "",
      note: token?.note ?? "",
      count: 1,
    },
    validate: {
      name: (value) => (!value.trim() ? t("tokens.problem.name") : value.trim().length > 50 ? t("tokens.problem.nameLength") : null),
      expired_time: (value, values) => (value !== -1 && value * 1000 < Date.now() && value !== token?.expired_time && values.expired_time ? t("tokens.problem.expiry") : null),
      ips: (value) => (badAddresses(value).length ? t("tokens.problem.ips", { list: badAddresses(value).join(", ") }) : null),
      models: (value, values) => (values.limited && value.length === 0 ? t("tokens.problem.models") : null),
    },
  });
  const mayLeave = useUnsavedGuard(form.isDirty() && keys.length === 0);
  const save = useAction({
    run: async (): Promise<string[]> => {
      const values = form.values;
      const body: TokenWrite = {
        name: values.name.trim(),
        expired_time: values.expired_time,
        remain_quota: values.remain_quota,
        unlimited_quota: values.unlimited,
        model_limits_enabled: values.limited,
        model_limits: values.models.join(","),
        allow_ips: values.ips.trim(),
        group: values.group,
        note: values.note.trim(),
      };
      if (token) {
        await updateToken({ ...body, id: token.id });
        return [];
      }
      const made: string[] = [];
      for (let i = 0; i < values.count; i++) {
        const suffix = i === 0 ? "" : `-${Math.random().toString(36).slice(2, 8)}`;
        const created = await createToken({ ...body, name: body.name.slice(0, 50 - suffix.length) + suffix });
        made.push(`sk-${created.key.replace(/^sk-/, "")}`);
      }
      return made;
    },
    ...(token ? { done: t("tokens.dialog.saved") } : {}),
    refresh: [TOKENS],
    onDone: (made) => {
      form.resetDirty();
      if (made.length) setKeys(made);
      else window.setTimeout(onClose);
    },
  });
  const close = () => mayLeave() && onClose();
  const groupChoices = Object.entries(groups.data ?? {}).map(([name, info]) => ({ value: name, label: `${name} · ${info.desc} · ×${info.ratio}` }));
  const title = t(token ? "tokens.dialog.edit" : keys.length ? "tokens.dialog.created" : "tokens.dialog.create");
  return (
    <Drawer opened onClose={close} position="right" size={520} title={title} styles={{ title: { fontWeight: 650, fontSize: 18 } }} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      {keys.length > 0 ? (
        <Stack>
          <Alert color="teal" icon={<IconInfoCircle size={18} />}>
            {t("tokens.dialog.once")}
          </Alert>
          {keys.map((key) => (
            <Group key={key} wrap="nowrap" gap="xs">
              <Code block style={{ flex: 1, overflow: "auto" }}>
                {key}
              </Code>
              <CopyButton value={key} size="md" />
            </Group>
          ))}
          {keys.length > 1 && (
            <Group gap={4}>
              <CopyButton value={keys.join("\n")} label={t("tokens.copyAll")} />
              <Text size="sm">{t("tokens.copyAll")}</Text>
            </Group>
          )}
          <Button onClick={onClose}>{t("shared.action.close")}</Button>
        </Stack>
      ) : (
        <form onSubmit={form.onSubmit(() => save.mutate())} noValidate>
          <Stack gap="sm">
            {save.error && (
              <Alert color="red" role="alert">
                {errorText(save.error)}
              </Alert>
            )}
            <TextInput label={t("tokens.field.name")} data-autofocus {...form.getInputProps("name")} />
            <Switch label={t("tokens.field.unlimited")} description={t("tokens.hint.unlimited")} {...form.getInputProps("unlimited", { type: "checkbox" })} />
            {!form.values.unlimited && <QuotaInput label={t("tokens.field.quota")} presets={[1, 10, 50, 100, 500, 1000]} value={form.values.remain_quota} onChange={(value) => form.setFieldValue("remain_quota", value)} />}
            <div>
              <DateTimePicker
                label={t("tokens.field.expires")}
                placeholder={t("tokens.expiry.never")}
                clearable
                valueFormat="YYYY-MM-DD HH:mm"
                value={form.values.expired_time === -1 ? null : format.time(form.values.expired_time)}
                onChange={(value) => form.setFieldValue("expired_time", value ? Math.floor(new Date(value.replace(" ", "T")).getTime() / 1000) : -1)}
                error={form.errors["expired_time"]}
              />
              <Group gap={4} mt={6}>
                {EXPIRIES.map(([name, seconds]) => (
                  <Button key={name} size="compact-xs" variant="default" onClick={() => form.setFieldValue("expired_time", seconds === 0 ? -1 : Math.floor(Date.now() / 1000) + seconds)}>
                    {t(`tokens.expiry.${name}`)}
                  </Button>
                ))}
              </Group>
            </div>
            <Select label={t("tokens.field.group")} description={t("tokens.hint.group")} data={groupChoices} disabled={groupChoices.length === 0} clearable value={form.values.group || null} onChange={(value) => form.setFieldValue("group", value ?? "")} />
            <Switch label={t("tokens.field.limited")} {...form.getInputProps("limited", { type: "checkbox" })} />
            {form.values.limited && <TagsInput label={t("tokens.field.models")} data={models.data ?? []} limit={60} splitChars={[",", "\n"]} {...form.getInputProps("models")} />}
            <Textarea label={t("tokens.field.ips")} description={t("tokens.hint.ips")} autosize minRows={2} placeholder={"203.0.113.7\n10.0.0.0/8"} {...form.getInputProps("ips")} />
            <Textarea label={t("tokens.field.note")} autosize minRows={1} maxLength={NOTE_MAX} {...form.getInputProps("note")} />
            {!token && <NumberInput label={t("tokens.field.count")} min={1} max={100} allowDecimal={false} {...form.getInputProps("count")} onChange={(value) => form.setFieldValue("count", Math.max(1, Number(value) || 1))} />}
            <Group justify="flex-end" gap="xs" mt="md">
              <Button variant="default" onClick={close}>
                {t("shared.action.cancel")}
              </Button>
              <Button type="submit" loading={save.isPending}>
                {t(token ? "shared.action.save" : "shared.action.create")}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Drawer>
  );
}
