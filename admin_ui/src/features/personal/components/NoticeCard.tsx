// When the balance is low: below what, and how to say so.
import { Alert, Button, Card, Group, PasswordInput, SegmentedControl, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";
import { selfQuery } from "@/shared/api/self";
import type { User } from "@/shared/api/types";
import { QuotaInput } from "@/shared/components/QuotaInput";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { readSetting, saveSetting } from "../api/personal";

export function NoticeCard({ self }: { self: User }) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const form = useForm({
    initialValues: { ...readSetting(self.setting), secret: "" },
    validate: { webhook_url: (value, values) => (values.notify_type !== "webhook" || /^https?:\/\/\S+$/.test(value) ? null : t("personal.problem.url")) },
  });
  const save = useAction({
    run: () => {
      const { secret, ...body } = form.values;
      return saveSetting(secret ? { ...body, webhook_secret: secret } : body);
    },
    done: t("personal.saved"),
    refresh: [selfQuery.queryKey],
    onDone: () => form.resetDirty(),
  });
  return (
    <Card withBorder>
      <Text fw={600} mb="sm">{t("personal.notices")}</Text>
      <form onSubmit={form.onSubmit(() => save.mutate())} noValidate>
        <Stack gap="sm">
          {save.error && <Alert color="red" role="alert" p="xs">{errorText(save.error)}</Alert>}
          <QuotaInput label={t("personal.threshold")} value={form.values.quota_warning_threshold} min={1} onChange={(units) => form.setFieldValue("quota_warning_threshold", units)} />
          <SegmentedControl aria-label={t("personal.way")} value={form.values.notify_type} onChange={(value) => form.setFieldValue("notify_type", value as "email" | "webhook")} data={[{ value: "email", label: t("personal.byMail") }, { value: "webhook", label: t("personal.byWebhook") }]} />
          {form.values.notify_type === "webhook" ? (
            <>
              <TextInput label={t("personal.webhookUrl")} placeholder="https://" {...form.getInputProps("webhook_url")} />
              <PasswordInput label={t("personal.webhookSecret")} description={t("personal.webhookSecretHint")} autoComplete="new-password" {...form.getInputProps("secret")} />
            </>
          ) : (
            <Text size="sm" c="dimmed">{self.email ? t("personal.mailTo", { email: self.email }) : t("personal.noMail")}</Text>
          )}
          <Switch label={t("personal.acceptUnpriced")} {...form.getInputProps("accept_unset_model_ratio_model", { type: "checkbox" })} />
          <Group justify="flex-end"><Button type="submit" loading={save.isPending}>{t("shared.action.save")}</Button></Group>
        </Stack>
      </form>
    </Card>
  );
}
