// Create codes in a batch, or edit one that nobody has used. New codes are shown with a file to take away.
import { Alert, Button, Code, Drawer, Group, NumberInput, ScrollArea, Stack, TextInput } from "@mantine/core";
import { DateTimePicker } from "@mantine/dates";
import "@mantine/dates/styles.layer.css";
import { useForm } from "@mantine/form";
import { IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Redemption } from "@/shared/api/types";
import { CopyButton } from "@/shared/components/CopyButton";
import { QuotaInput } from "@/shared/components/QuotaInput";
import { downloadText } from "@/shared/format/download";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { useUnsavedGuard } from "@/shared/hooks/useUnsavedGuard";
import { createCodes, REDEMPTIONS, updateCode } from "../api/redemptions";

const COUNT_MAX = 100;

export function CodeDialog({ code, onClose }: { code: Redemption | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const errorText = useErrorText();
  const [made, setMade] = useState<string[]>([]);
  const form = useForm({
    initialValues: { name: code?.name ?? "", quota: code?.quota ?? format.fromUsd(10), expired_time: code?.expired_time ?? 0, count: 1 },
    validate: {
      name: (value) => (value.trim().length >= 1 && value.trim().length <= 20 ? null : t("redemptions.problem.name")),
      quota: (value) => (value > 0 ? null : t("redemptions.problem.quota")),
      expired_time: (value) => (value === 0 || value * 1000 > Date.now() ? null : t("redemptions.problem.expiry")),
    },
  });
  const mayLeave = useUnsavedGuard(form.isDirty() && made.length === 0);
  const close = () => mayLeave() && onClose();
  const save = useAction({
    run: async (): Promise<string[]> => {
      const { count, ...values } = form.values;
      const body = { ...values, name: values.name.trim() };
      if (!code) return createCodes({ ...body, count });
      await updateCode({ ...body, id: code.id });
      return [];
    },
    refresh: [REDEMPTIONS],
    onDone: (keys) => {
      form.resetDirty();
      if (keys.length) setMade(keys);
      else window.setTimeout(onClose);
    },
  });
  return (
    <Drawer opened onClose={close} position="right" size={480} title={t(code ? "redemptions.edit" : made.length ? "redemptions.made" : "redemptions.add")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      {made.length > 0 ? (
        <Stack>
          <ScrollArea.Autosize mah={420}><Code block>{made.join("\n")}</Code></ScrollArea.Autosize>
          <Group>
            <CopyButton value={made.join("\n")} label={t("redemptions.copyAll")} size="md" />
            <Button variant="default" leftSection={<IconDownload size={16} />} onClick={() => downloadText(`${form.values.name.trim()}.txt`, `${made.join("\n")}\n`)}>{t("redemptions.download")}</Button>
            <Button onClick={onClose}>{t("shared.action.close")}</Button>
          </Group>
        </Stack>
      ) : (
        <form onSubmit={form.onSubmit(() => save.mutate())} noValidate>
          <Stack gap="sm">
            {save.error && <Alert color="red" role="alert">{errorText(save.error)}</Alert>}
            <TextInput label={t("redemptions.field.name")} maxLength={20} data-autofocus {...form.getInputProps("name")} />
            <QuotaInput label={t("redemptions.field.quota")} presets={[1, 5, 10, 50, 100]} value={form.values.quota} onChange={(quota) => form.setFieldValue("quota", quota)} error={form.errors["quota"]} />
            <DateTimePicker label={t("redemptions.field.expires")} placeholder={t("redemptions.never")} clearable valueFormat="YYYY-MM-DD HH:mm" value={form.values.expired_time ? format.time(form.values.expired_time) : null} onChange={(value) => form.setFieldValue("expired_time", value ? Math.floor(new Date(value.replace(" ", "T")).getTime() / 1000) : 0)} error={form.errors["expired_time"]} />
            {!code && <NumberInput label={t("redemptions.field.count")} min={1} max={COUNT_MAX} clampBehavior="strict" allowDecimal={false} value={form.values.count} onChange={(count) => form.setFieldValue("count", Math.max(1, Number(count) || 1))} />}
            <Group justify="flex-end" gap="xs" mt="md">
              <Button variant="default" onClick={close}>{t("shared.action.cancel")}</Button>
              <Button type="submit" loading={save.isPending}>{t(code ? "shared.action.save" : "shared.action.create")}</Button>
            </Group>
          </Stack>
        </form>
      )}
    </Drawer>
  );
}
