// The page behind the link of a reset mail: choose a new password.
import { Alert, Anchor, Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/shared/components/CopyButton";
import { confirmReset } from "../api/auth";
import { AuthFrame } from "@/shared/components/AuthFrame";
import { FormError } from "../components/FormError";

export default function ResetConfirmPage() {
  const { t } = useTranslation();
  const search = useSearch({ strict: false }) as { email?: string; token?: string };
  const [{ email = "", token = "" }] = useState(() => ({ ...search, ...Object.fromEntries(new URLSearchParams(window.location.hash.slice(1))) })); // behind # it stays out of every log
  const [password, setPassword] = useState("");
  const [touched, setTouched] = useState(false);
  const valid = password.length >= 8 && password.length <= 72;
  const reset = useMutation({ mutationFn: () => confirmReset({ email, token, password }) });
  if (!email || !token) {
    return (
      <AuthFrame title={t("auth.reset.title")}>
        <Alert color="red">{t("auth.reset.badLink")}</Alert>
      </AuthFrame>
    );
  }
  return (
    <AuthFrame title={t("auth.reset.newTitle")} hint={email}>
      {reset.isSuccess ? (
        <Stack gap="sm">
          <Alert color="teal">{t("auth.reset.done")}</Alert>
          {typeof reset.data === "string" && reset.data && <TextInput label={t("auth.field.password")} readOnly value={reset.data} rightSection={<CopyButton value={reset.data} />} />}
          <Button component={Link} to="/login">
            {t("auth.login.submit")}
          </Button>
        </Stack>
      ) : (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            setTouched(true);
            if (valid) reset.mutate();
          }}
        >
          <Stack gap="sm">
            <FormError error={reset.error} />
            <PasswordInput
              label={t("auth.field.newPassword")}
              description={t("auth.rule.password")}
              autoComplete="new-password"
              autoFocus
              visibilityToggleButtonProps={{ "aria-label": t("auth.field.reveal") }}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              error={touched && !valid ? t("auth.rule.password") : null}
            />
            <Button type="submit" loading={reset.isPending}>
              {t("auth.reset.set")}
            </Button>
            <Anchor component={Link} to="/login" size="sm" ta="center">
              {t("auth.reset.back")}
            </Anchor>
          </Stack>
        </form>
      )}
    </AuthFrame>
  );
}
