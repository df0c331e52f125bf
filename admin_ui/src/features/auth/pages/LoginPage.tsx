// Sign-in: user name or e-mail and password, a second factor where it is on, third-party providers.
import { Alert, Anchor, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconClockExclamation } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import { invitation, logIn, logInSecondStep, WANTED } from "../api/auth";
import { AuthFrame } from "@/shared/components/AuthFrame";
import { FormError } from "../components/FormError";
import { ProviderButtons } from "../components/ProviderButtons";
import { Turnstile, useTurnstileNeeded } from "../components/Turnstile";
import { useSignedIn } from "../components/useSignedIn";

export default function LoginPage() {
  const { t } = useTranslation();
  const status = useStatus();
  const search = useSearch({ strict: false }) as { redirect?: string; expired?: string; aff?: string; second?: string };
  const signedIn = useSignedIn(search.redirect);
  const [captcha, setCaptcha] = useState("");
  const [secondStep, setSecondStep] = useState(search.second === "1");
  const [code, setCode] = useState("");
  const needsCaptcha = useTurnstileNeeded();
  useEffect(() => {
    invitation.remember(search.aff);
    if (search.second === "1") setSecondStep(true);
    if (search.redirect) sessionStorage.setItem(WANTED, search.redirect);
  }, [search.aff, search.redirect, search.second]);
  const form = useForm({
    mode: "uncontrolled",
    initialValues: { username: "", password: "" },
    validate: {
      username: (value) => (value.trim() ? null : t("auth.required.username")),
      password: (value) => (value ? null : t("auth.required.password")),
    },
  });
  const first = useMutation({
    mutationFn: (values: { username: string; password: string }) => logIn({ username: values.username.trim(), password: values.password }, captcha),
    onSuccess: (reply) => ("require_2fa" in reply ? setSecondStep(true) : signedIn(reply)),
  });
  const second = useMutation({ mutationFn: () => logInSecondStep(code.trim()), onSuccess: signedIn });

  if (secondStep) {
    return (
      <AuthFrame title={t("auth.second.title")} hint={t("auth.second.hint")}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            second.mutate();
          }}
        >
          <Stack gap="sm">
            <FormError error={second.error} />
            <TextInput label={t("auth.second.code")} inputMode="numeric" autoComplete="one-time-code" autoFocus value={code} onChange={(event) => setCode(event.currentTarget.value)} />
            <Button type="submit" loading={second.isPending} disabled={!code.trim()}>
              {t("auth.login.submit")}
            </Button>
            <Button variant="subtle" onClick={() => setSecondStep(false)}>
              {t("shared.action.cancel")}
            </Button>
          </Stack>
        </form>
      </AuthFrame>
    );
  }
  const mayRegister = status?.register_enabled !== false && !status?.self_use_mode_enabled;
  return (
    <AuthFrame
      title={t("auth.login.title")}
      hint={t("auth.login.hint", { name: status?.system_name || "MedusaXD API" })}
      footer={
        mayRegister && (
          <Text size="sm" c="dimmed" ta="center">
            {t("auth.login.noAccount")}{" "}
            <Anchor component={Link} to="/register" underline="always" inherit>
              {t("auth.register.submit")}
            </Anchor>
          </Text>
        )
      }
    >
      <form onSubmit={form.onSubmit((values) => first.mutate(values))} noValidate>
        <Stack gap="sm">
          {search.expired && !first.error && (
            <Alert color="yellow" icon={<IconClockExclamation size={18} />} py="xs">
              {t("auth.login.expired")}
            </Alert>
          )}
          <FormError error={first.error} />
          {status?.password_login !== false && (
            <>
              <TextInput label={t("auth.field.username")} autoComplete="username" autoFocus key={form.key("username")} {...form.getInputProps("username")} />
              <PasswordInput
                label={t("auth.field.password")}
                autoComplete="current-password"
                visibilityToggleButtonProps={{ "aria-label": t("auth.field.reveal") }}
                key={form.key("password")}
                {...form.getInputProps("password")}
              />
              <Turnstile onToken={setCaptcha} />
              <Button type="submit" mt={4} loading={first.isPending} disabled={needsCaptcha && !captcha}>
                {t("auth.login.submit")}
              </Button>
              <Group justify="center">
                <Anchor component={Link} to="/reset" size="sm">
                  {t("auth.login.forgot")}
                </Anchor>
              </Group>
            </>
          )}
          <ProviderButtons onReply={(reply) => void signedIn(reply)} />
        </Stack>
      </form>
    </AuthFrame>
  );
}
