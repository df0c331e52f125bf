// Asks for a mail with a link to set a new password.
import { Alert, Anchor, Button, Stack, TextInput } from "@mantine/core";
import { IconMailCheck } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { sendResetMail } from "../api/auth";
import { AuthFrame } from "@/shared/components/AuthFrame";
import { FormError } from "../components/FormError";
import { Turnstile, useTurnstileNeeded } from "../components/Turnstile";
import { useCooldown } from "../components/useCooldown";

const MAIL_EVERY_S = 30;

export default function ResetPage() {
  const { t } = useTranslation();
  const [email, setEmail] = useState("");
  const [touched, setTouched] = useState(false);
  const [captcha, setCaptcha] = useState("");
  const [wait, startWait] = useCooldown(MAIL_EVERY_S);
  const needsCaptcha = useTurnstileNeeded();
  const valid = /^[^@\s]+@[^@\s]+$/.test(email);
  const send = useMutation({ mutationFn: () => sendResetMail(email, captcha), onSuccess: startWait });
  return (
    <AuthFrame title={t("auth.reset.title")} hint={t("auth.reset.hint")}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTouched(true);
          if (valid) send.mutate();
        }}
      >
        <Stack gap="sm">
          <FormError error={send.error} />
          {send.isSuccess && (
            <Alert color="teal" icon={<IconMailCheck size={18} />} role="status">
              {t("auth.reset.sent")}
            </Alert>
          )}
          <TextInput type="email" label={t("auth.field.email")} autoComplete="email" autoFocus value={email} onChange={(event) => setEmail(event.currentTarget.value)} error={touched && !valid ? t("auth.rule.email") : null} />
          <Turnstile onToken={setCaptcha} />
          <Button type="submit" loading={send.isPending} disabled={wait > 0 || (needsCaptcha && !captcha)}>
            {wait > 0 ? t("auth.waitSeconds", { count: wait }) : t("auth.reset.submit")}
          </Button>
          <Anchor component={Link} to="/login" size="sm" ta="center">
            {t("auth.reset.back")}
          </Anchor>
        </Stack>
      </form>
    </AuthFrame>
  );
}
