// Ways to sign in besides the password: the e-mail address and accounts elsewhere, bound and unbound.
import { Alert, Badge, Button, Card, Group, Image, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { goToProvider, type Provider, PROVIDERS } from "@/shared/api/providers";
import { selfQuery } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import type { User } from "@/shared/api/types";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { bindEmail, bindWeChat, sendEmailCode, unbind } from "../api/personal";

const REFRESH = [selfQuery.queryKey];

function EmailDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const [email, setEmail] = useState("");
  const [code, setCode] = useState("");
  const send = useAction({ run: () => sendEmailCode(email.trim()), done: t("personal.bindings.codeSent") });
  const bind = useAction({ run: () => bindEmail(email.trim(), code.trim()), done: t("personal.saved"), refresh: REFRESH, onDone: onClose });
  const error = bind.error ?? send.error;
  return (
    <Modal opened onClose={onClose} title={t("personal.email")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <Stack>
        {error && <Alert color="red" role="alert" p="xs">{errorText(error)}</Alert>}
        <Group align="flex-end" gap="xs" wrap="nowrap">
          <TextInput label={t("personal.email")} type="email" style={{ flex: 1 }} data-autofocus value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
          <Button variant="default" loading={send.isPending} disabled={!email.includes("@")} onClick={() => send.mutate()}>{t("personal.bindings.sendCode")}</Button>
        </Group>
        <TextInput label={t("personal.bindings.mailCode")} inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(event) => setCode(event.currentTarget.value)} />
        <Group justify="flex-end"><Button loading={bind.isPending} disabled={!code.trim() || !email.includes("@")} onClick={() => bind.mutate()}>{t("shared.action.save")}</Button></Group>
      </Stack>
    </Modal>
  );
}

function WeChatDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const status = useStatus();
  const errorText = useErrorText();
  const [code, setCode] = useState("");
  const bind = useAction({ run: () => bindWeChat(code.trim()), done: t("personal.saved"), refresh: REFRESH, onDone: onClose });
  return (
    <Modal opened onClose={onClose} title="WeChat" closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <Stack>
        {bind.error && <Alert color="red" role="alert" p="xs">{errorText(bind.error)}</Alert>}
        {status?.wechat_qrcode && <Image src={status.wechat_qrcode} alt={t("personal.bindings.weChatQr")} w={200} mx="auto" />}
        <Text size="sm">{t("personal.bindings.weChatHint")}</Text>
        <TextInput label={t("personal.bindings.weChatCode")} value={code} onChange={(event) => setCode(event.currentTarget.value)} />
        <Group justify="flex-end"><Button loading={bind.isPending} disabled={!code.trim()} onClick={() => bind.mutate()}>{t("personal.bindings.bind")}</Button></Group>
      </Stack>
    </Modal>
  );
}

interface WayProps {
  name: string;
  held: string | undefined;
  onBind: (() => void) | undefined;
  onUnbind: () => void;
  bindLabel: string;
}
function Way({ name, held, onBind, onUnbind, bindLabel }: WayProps) {
  const { t } = useTranslation();
  return (
    <Group justify="space-between" wrap="nowrap" gap="xs">
      <div style={{ minWidth: 0 }}>
        <Text size="sm" fw={600}>{name}</Text>
        <Text size="xs" c="dimmed" truncate>{held || t("personal.notBound")}</Text>
      </div>
      <Group gap={4} wrap="nowrap">
        {held && <Button size="xs" variant="subtle" color="red" aria-label={t("personal.bindings.unbindOf", { name })} onClick={onUnbind}>{t("personal.bindings.unbind")}</Button>}
        {onBind && <Button size="xs" variant="default" aria-label={`${bindLabel} ${name}`} onClick={onBind}>{bindLabel}</Button>}
      </Group>
    </Group>
  );
}

export function BindingsCard({ self }: { self: User }) {
  const { t } = useTranslation();
  const status = useStatus();
  const confirm = useConfirm();
  const [dialog, setDialog] = useState<"email" | "wechat" | null>(null);
  const go = useAction({ run: (provider: Provider) => goToProvider(provider) });
  const remove = useAction({ run: (provider: string) => unbind(provider), done: t("personal.bindings.unbound"), refresh: REFRESH });
  const ask = (id: string, name: string) => confirm({ title: t("personal.bindings.unbindOf", { name }), danger: true, confirmLabel: t("personal.bindings.unbind"), onConfirm: () => remove.mutateAsync(id) });
  if (!status) return null;
  const shown = PROVIDERS.filter((provider) => provider.isOn(status) || provider.idOf(self));
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Text fw={600}>{t("personal.bindings.title")}</Text>
        {!self.has_password && <Badge color="yellow">{t("personal.bindings.noPassword")}</Badge>}
      </Group>
      <Stack gap="sm">
        <Way name={t("personal.email")} held={self.email} bindLabel={self.email ? t("personal.bindings.change") : t("personal.bindings.bind")} onBind={() => setDialog("email")} onUnbind={() => ask("email", t("personal.email"))} />
        {shown.map(({ id, name, isOn, idOf }) => {
          const held = idOf(self);
          const bind = id === "wechat" ? () => setDialog("wechat") : () => go.mutate(id);
          return <Way key={id} name={name} held={held} bindLabel={t("personal.bindings.bind")} onBind={isOn(status) && !held ? bind : undefined} onUnbind={() => ask(id, name)} />;
        })}
      </Stack>
      {dialog === "email" && <EmailDialog onClose={() => setDialog(null)} />}
      {dialog === "wechat" && <WeChatDialog onClose={() => setDialog(null)} />}
    </Card>
  );
}
