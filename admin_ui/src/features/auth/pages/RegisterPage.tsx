// Sign-up; with a code sent by e-mail where the installation asks for it.
import { Anchor, Alert, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import { invitation, register, sendEmailCode } from "../api/auth";
import { AuthFrame } from "@/shared/components/AuthFrame";
import { FormError } from "../components/FormError";
import { ProviderButtons } from "../components/ProviderButtons";
import { Turnstile, useTurnstileNeeded } from "../components/Turnstile";
import { useCooldown } from "../components/useCooldown";
import { useSignedIn } from "../components/useSignedIn";

const MAIL_EVERY_S = 30;

export default function RegisterPage() {
  const { t } = useTranslation();
  const status = useStatus();
  const navigate = useNavigate();
  const signedIn = useSignedIn(undefined);
  const search = useSearch({ strict: false }) as { aff?: string };
  const [captcha, setCaptcha] = useState("");
  const [wait, startWait] = useCooldown(MAIL_EVERY_S);
  const needsCaptcha = useTurnstileNeeded();
  const withEmail = status?.email_verification ?? false;
  useEffect(() => void invitation.remember(search.aff), [search.aff]);
  const form = useForm({
    initialValues: { username: "", password: "", repeat: "", email: "", code: "" },
    validateInputOnBlur: true,
    validate: {
      username: (value) => (!value.trim() ? t("auth.required.username") : value.trim().length > 12 ? t("auth.rule.username") : null),
      password: (value) => (value.length < 8 || value.length > 72 ? t("auth.rule.password") : null),
      repeat: (value, values) => (value !== values.password ? t("auth.rule.repeat") : null),
      email: (value) => (withEmail && !/^[^@\s]+@[^@\s]+$/.test(value) ? t("auth.rule.email") : null),
      code: (value) => (withEmail && !value.trim() ? t("auth.rule.code") : null),
    },
  });
  const send = useMutation({ mutationFn: () => sendEmailCode(form.values.email, captcha), onSuccess: startWait });
  const submit = useMutation({
    mutationFn: () => {
      const { username, password, email, code } = form.values;
      const aff = invitation.get();
      return register({ username: username.trim(), password, ...(withEmail ? { email, verification_code: code } : {}), ...(aff ? { aff_code: aff } : {}) }, captcha);
    },
    onSuccess: () => navigate({ to: "/login" }),
  });
  const closed = status?.register_enabled === false || status?.password_register === false;
  return (
    <AuthFrame
      title={t("auth.register.title")}
      footer={
        <Text size="sm" c="dimmed" ta="center">
          {t("auth.register.haveAccount")}{" "}
          <Anchor component={Link} to="/login" underline="always" inherit>
            {t("auth.login.submit")}
          </Anchor>
        </Text>
      }
    >
      <form onSubmit={form.onSubmit(() => submit.mutate())} noValidate>
        <Stack gap="sm">
          {closed ? (
            <Alert color="yellow">{t("auth.register.closed")}</Alert>
          ) : (
            <>
              <FormError error={submit.error ?? send.error} />
              <TextInput label={t("auth.field.username")} autoComplete="username" autoFocus {...form.getInputProps("username")} />
              <PasswordInput label={t("auth.field.password")} description={t("auth.rule.password")} autoComplete="new-password" visibilityToggleButtonProps={{ "aria-label": t("auth.field.reveal") }} {...form.getInputProps("password")} />
              <PasswordInput label={t("auth.field.repeat")} autoComplete="new-password" visibilityToggleButtonProps={{ "aria-label": t("auth.field.reveal") }} {...form.getInputProps("repeat")} />
              {withEmail && (
                <>
                  <Group align="flex-end" gap="xs" wrap="nowrap">
                    <TextInput style={{ flex: 1 }} type="email" label={t("auth.field.email")} autoComplete="email" {...form.getInputProps("email")} />
                    <Button variant="default" disabled={wait > 0 || !form.isValid("email")} loading={send.isPending} onClick={() => send.mutate()}>
                      {wait > 0 ? t("auth.waitSeconds", { count: wait }) : t("auth.sendCode")}
                    </Button>
                  </Group>
                  <TextInput label={t("auth.field.code")} autoComplete="one-time-code" {...form.getInputProps("code")} />
                </>
              )}
              <Turnstile onToken={setCaptcha} />
              <Button type="submit" mt={4} loading={submit.isPending} disabled={needsCaptcha && !captcha}>
                {t("auth.register.submit")}
              </Button>
            </>
          )}
          <ProviderButtons onReply={(reply) => void signedIn(reply)} />
        </Stack>
      </form>
    </AuthFrame>
  );
}
