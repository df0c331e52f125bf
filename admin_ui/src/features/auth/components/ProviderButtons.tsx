// Third-party sign-in: one button for each provider the installation has switched on.
import { Button, Divider, Group, Image, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconBrandGithub, IconBrandTelegram, IconBrandWechat, IconHexagonLetterL, IconShieldLock } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import type { Status, User } from "@/shared/api/types";
import { api } from "@/shared/api/client";
import { invitation, logInWithWeChat, oauthState } from "../api/auth";
import { FormError } from "./FormError";

function authorizeUrl(provider: "github" | "oidc" | "linuxdo", status: Status, state: string): string {
  const forms = {
    github: ["https://github.com/login/oauth/authorize", { client_id: status.github_client_id, state, scope: "user:email" }],
    linuxdo: ["https://connect.linux.do/oauth2/authorize", { response_type: "code", client_id: status.linuxdo_client_id, state }],
    oidc: [
      status.oidc_authorization_endpoint,
      { client_id: status.oidc_client_id, redirect_uri: `${window.location.origin}/oauth/oidc`, response_type: "code", scope: "openid profile email", state },
    ],
  } as const;
  const [endpoint, query] = forms[provider];
  const url = new URL(endpoint);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

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

export function ProviderButtons({ onUser }: { onUser: (user: User) => void }) {
  const { t } = useTranslation();
  const status = useStatus();
  const [weChat, setWeChat] = useState(false);
  const [telegram, setTelegram] = useState(false);
  const [code, setCode] = useState("");
  const start = useMutation({
    mutationFn: async (provider: "github" | "oidc" | "linuxdo") => {
      const state = await oauthState(invitation.get());
      if (status) window.location.assign(authorizeUrl(provider, status, state));
    },
  });
  const byWeChat = useMutation({ mutationFn: () => logInWithWeChat(code), onSuccess: onUser });
  const byTelegram = useMutation({ mutationFn: (query: Record<string, string>) => api.get<User>("/api/oauth/telegram/login", { query }), onSuccess: onUser });
  if (!status) return null;
  const buttons = [
    status.github_oauth && { id: "github", name: "GitHub", icon: IconBrandGithub, go: () => start.mutate("github") },
    status.oidc_enabled && { id: "oidc", name: "OIDC", icon: IconShieldLock, go: () => start.mutate("oidc") },
    status.linuxdo_oauth && { id: "linuxdo", name: "Linux DO", icon: IconHexagonLetterL, go: () => start.mutate("linuxdo") },
    status.wechat_login && { id: "wechat", name: "WeChat", icon: IconBrandWechat, go: () => setWeChat(true) },
    status.telegram_oauth && { id: "telegram", name: "Telegram", icon: IconBrandTelegram, go: () => setTelegram(true) },
  ].filter((button) => button !== false && button !== undefined);
  if (buttons.length === 0) return null;
  return (
    <>
      <Divider label={t("auth.or")} my={4} />
      <Group grow gap="xs" preventGrowOverflow={false}>
        {buttons.map((button) => (
          <Button key={button.id} variant="default" leftSection={<button.icon size={17} />} onClick={button.go}>
            {button.name}
          </Button>
        ))}
      </Group>
      <FormError error={start.error ?? byTelegram.error} />
      <Modal opened={weChat} onClose={() => setWeChat(false)} title={t("auth.wechat.title")}>
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
      <Modal opened={telegram} onClose={() => setTelegram(false)} title="Telegram">
        <TelegramWidget bot={status.telegram_bot_name} onUser={byTelegram.mutate} />
      </Modal>
    </>
  );
}
