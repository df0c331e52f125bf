// Sign-in by WeChat code or Telegram widget; loaded when asked for.
import { Button, Image, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "@/shared/api/client";
import { useStatus } from "@/shared/api/status";
import type { User } from "@/shared/api/types";
import { logInWithWeChat } from "../api/auth";
import { FormError } from "./FormError";

function TelegramWidget({ bot, onUser }: { bot: string; onUser: (query: Record<string, string>) => void }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const script = document.createElement("script");
    script.src = "https://telegram.org/js/telegram-widget.js?22";
    script.dataset["telegramLogin"] = bot;
    script.dataset["size"] = "large";
    script.dataset["onauth"] = "medusaTelegram(user)";
    (window as unknown as { medusaTelegram: (user: Record<string, string>) => void }).medusaTelegram = onUser;
    box.current?.append(script);
    return () => script.remove();
  }, [bot, onUser]);
  return <div ref={box} />;
}

interface ProviderDialogsProps {
  dialog: "wechat" | "telegram";
  onClose: () => void;
  onUser: (user: User) => void;
}
export default function ProviderDialogs({ dialog, onClose, onUser }: ProviderDialogsProps) {
  const { t } = useTranslation();
  const status = useStatus();
  const [code, setCode] = useState("");
  const byWeChat = useMutation({ mutationFn: () => logInWithWeChat(code), onSuccess: onUser });
  const byTelegram = useMutation({ mutationFn: (query: Record<string, string>) => api.get<User>("/api/oauth/telegram/login", { query }), onSuccess: onUser });
  if (!status) return null;
  if (dialog === "telegram") {
    return (
      <Modal opened onClose={onClose} title="Telegram">
        <Stack>
          <FormError error={byTelegram.error} />
          <TelegramWidget bot={status.telegram_bot_name} onUser={byTelegram.mutate} />
        </Stack>
      </Modal>
    );
  }
  return (
    <Modal opened onClose={onClose} title={t("auth.wechat.title")}>
      <Stack>
        <Image src={status.wechat_qrcode} alt={t("auth.wechat.qr")} w={200} mx="auto" />
        <Text size="sm">{t("auth.wechat.hint")}</Text>
        <TextInput label={t("auth.wechat.code")} value={code} onChange={(event) => setCode(event.currentTarget.value)} />
        <FormError error={byWeChat.error} />
        <Button onClick={() => byWeChat.mutate()} loading={byWeChat.isPending} disabled={!code}>
          {t("auth.login.submit")}
        </Button>
      </Stack>
    </Modal>
  );
}
