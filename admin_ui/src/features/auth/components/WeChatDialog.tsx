// Sign-in by a WeChat code; loaded when asked for.
import { Button, Image, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import type { LoginReply } from "@/shared/api/types";
import { invitation, logInWithWeChat } from "../api/auth";
import { FormError } from "./FormError";
import { Turnstile, useTurnstileNeeded } from "./Turnstile";

export default function WeChatDialog({ onClose, onReply }: { onClose: () => void; onReply: (reply: LoginReply) => void }) {
  const { t } = useTranslation();
  const status = useStatus();
  const [code, setCode] = useState("");
  const [captcha, setCaptcha] = useState("");
  const needsCaptcha = useTurnstileNeeded();
  const logIn = useMutation({ mutationFn: () => logInWithWeChat(code.trim(), invitation.get(), captcha), onSuccess: onReply });
  return (
    <Modal opened onClose={onClose} title={t("auth.wechat.title")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <Stack>
        {status?.wechat_qrcode && <Image src={status.wechat_qrcode} alt={t("auth.wechat.qr")} w={200} mx="auto" />}
        <Text size="sm">{t("auth.wechat.hint")}</Text>
        <TextInput label={t("auth.wechat.code")} value={code} onChange={(event) => setCode(event.currentTarget.value)} />
        <Turnstile onToken={setCaptcha} />
        <FormError error={logIn.error} />
        <Button onClick={() => logIn.mutate()} loading={logIn.isPending} disabled={!code.trim() || (needsCaptcha && !captcha)}>
          {t("auth.login.submit")}
        </Button>
      </Stack>
    </Modal>
  );
}
