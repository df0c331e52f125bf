// Third-party sign-in: one button for each provider the installation has switched on.
import { Button, Divider, Group } from "@mantine/core";
import { IconBrandGithub, IconBrandTelegram, IconBrandWechat, IconHexagonLetterL, IconShieldLock } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import type { Status, User } from "@/shared/api/types";
import { invitation, oauthState } from "../api/auth";
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

const ProviderDialogs = lazy(() => import("./ProviderDialogs"));

export function ProviderButtons({ onUser }: { onUser: (user: User) => void }) {
  const { t } = useTranslation();
  const status = useStatus();
  const [dialog, setDialog] = useState<"wechat" | "telegram" | null>(null);
  const start = useMutation({
    mutationFn: async (provider: "github" | "oidc" | "linuxdo") => {
      const state = await oauthState(invitation.get());
      if (status) window.location.assign(authorizeUrl(provider, status, state));
    },
  });
  if (!status) return null;
  const buttons = [
    status.github_oauth && { id: "github", name: "GitHub", icon: IconBrandGithub, go: () => start.mutate("github") },
    status.oidc_enabled && { id: "oidc", name: "OIDC", icon: IconShieldLock, go: () => start.mutate("oidc") },
    status.linuxdo_oauth && { id: "linuxdo", name: "Linux DO", icon: IconHexagonLetterL, go: () => start.mutate("linuxdo") },
    status.wechat_login && { id: "wechat", name: "WeChat", icon: IconBrandWechat, go: () => setDialog("wechat") },
    status.telegram_oauth && { id: "telegram", name: "Telegram", icon: IconBrandTelegram, go: () => setDialog("telegram") },
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
      <FormError error={start.error} />
      <Suspense fallback={null}>{dialog && <ProviderDialogs dialog={dialog} onClose={() => setDialog(null)} onUser={onUser} />}</Suspense>
    </>
  );
}
