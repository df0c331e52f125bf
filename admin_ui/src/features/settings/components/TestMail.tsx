// A mail to see whether the saved mail server works; what the server says is shown as it is.
import { Alert, Button, Group, TextInput } from "@mantine/core";
import { IconMailForward } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { sendTestMail } from "../api/options";

export function TestMail({ isChanged }: { isChanged: boolean }) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const [to, setTo] = useState(useSelf()?.email ?? "");
  const send = useAction({ run: () => sendTestMail(to.trim()), done: t("settings.mail.sent", { to }) });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        send.mutate();
      }}
    >
      <Group align="flex-end" gap="sm">
        <TextInput style={{ flex: 1, minWidth: 220 }} type="email" label={t("settings.mail.to")} description={isChanged ? t("settings.mail.saveFirst") : t("settings.mail.hint")} value={to} onChange={(event) => setTo(event.currentTarget.value)} />
        <Button type="submit" variant="default" leftSection={<IconMailForward size={16} />} loading={send.isPending} disabled={!/^\S+@\S+$/.test(to.trim()) || isChanged}>{t("settings.mail.send")}</Button>
      </Group>
      {send.error && <Alert mt="sm" color="red" role="alert">{errorText(send.error)}</Alert>}
    </form>
  );
}
