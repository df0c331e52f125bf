// Ways in besides the password: a passkey, and one button for each third party the installation has switched on.
import { Button, Divider, Group } from "@mantine/core";
import { IconBrandDiscord, IconBrandGithub, IconBrandTelegram, IconBrandWechat, IconFeather, IconFingerprint, IconHexagonLetterL, IconShieldLock } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { canUsePasskeys, logInWithPasskey } from "@/shared/api/passkeys";
import { goToProvider, type Provider, PROVIDERS } from "@/shared/api/providers";
import { useStatus } from "@/shared/api/status";
import type { LoginReply } from "@/shared/api/types";
import { invitation } from "../api/auth";
import { FormError } from "./FormError";

const ICONS = { github: IconBrandGithub, discord: IconBrandDiscord, oidc: IconShieldLock, linuxdo: IconHexagonLetterL, lark: IconFeather, telegram: IconBrandTelegram, wechat: IconBrandWechat };
const WeChatDialog = lazy(() => import("./WeChatDialog"));

export function ProviderButtons({ onReply }: { onReply: (reply: LoginReply) => void }) {
  const { t } = useTranslation();
  const status = useStatus();
  const [weChat, setWeChat] = useState(false);
  const start = useMutation({ mutationFn: (provider: Provider) => goToProvider(provider, invitation.get()) });
  const passkey = useMutation({ mutationFn: logInWithPasskey, onSuccess: onReply });
  if (!status) return null;
  const providers = PROVIDERS.filter((provider) => provider.isOn(status));
  const passkeys = status.passkey_login === true && canUsePasskeys();
  if (providers.length === 0 && !passkeys) return null;
  const declined = passkey.error instanceof DOMException; // the person closed the browser's dialog
  return (
    <>
      <Divider label={t("auth.or")} my={4} />
      {passkeys && (
        <Button variant="default" leftSection={<IconFingerprint size={17} />} loading={passkey.isPending} onClick={() => passkey.mutate()}>
          {t("auth.passkey")}
        </Button>
      )}
      <Group grow gap="xs" preventGrowOverflow={false}>
        {providers.map(({ id, name }) => {
          const Icon = ICONS[id];
          return (
            <Button key={id} variant="default" leftSection={<Icon size={17} />} onClick={() => (id === "wechat" ? setWeChat(true) : start.mutate(id))}>
              {name}
            </Button>
          );
        })}
      </Group>
      <FormError error={start.error ?? (declined ? null : passkey.error)} />
      <Suspense fallback={null}>{weChat && <WeChatDialog onClose={() => setWeChat(false)} onReply={onReply} />}</Suspense>
    </>
  );
}
