// Asks for the password (or a code of the second factor) again before a sensitive call goes on.
import { Alert, Button, Group, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, setReauthenticate } from "@/shared/api/client";
import { useErrorText } from "@/shared/hooks/useErrorText";

export default function ReauthDialog() {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const [opened, setOpened] = useState(false);
  const [secret, setSecret] = useState("");
  const answer = useRef<((ok: boolean) => void) | null>(null);
  useEffect(() => {
    setReauthenticate(
      () =>
        new Promise((resolve) => {
          answer.current = resolve;
          setSecret("");
          setOpened(true);
        }),
    );
    return () => setReauthenticate(null);
  }, []);
  const finish = (ok: boolean) => {
    setOpened(false);
    answer.current?.(ok);
    answer.current = null;
  };
  const confirm = useMutation({
    mutationFn: () => api.post<null>("/api/user/reauth", /^\d{6}$/.test(secret) ? { otp: secret } : { password: secret }),
    onSuccess: () => finish(true),
  });
  return (
    <Modal opened={opened} onClose={() => finish(false)} title={t("app.reauth.title")} zIndex={400}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          confirm.mutate();
        }}
      >
        <Stack gap="sm">
          <Text size="sm">{t("app.reauth.hint")}</Text>
          {confirm.error && (
            <Alert color="red" role="alert">
              {errorText(confirm.error)}
            </Alert>
          )}
          <PasswordInput label={t("app.reauth.field")} data-autofocus autoComplete="current-password" visibilityToggleButtonProps={{ "aria-label": t("app.reauth.reveal") }} value={secret} onChange={(event) => setSecret(event.currentTarget.value)} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => finish(false)}>
              {t("shared.action.cancel")}
            </Button>
            <Button type="submit" loading={confirm.isPending} disabled={!secret}>
              {t("shared.action.confirm")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
