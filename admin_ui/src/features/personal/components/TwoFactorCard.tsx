// The second step of signing in: set up with a QR code, backup codes shown once, switched off with a code.
import { Alert, Badge, Button, Card, Code, Group, Modal, SimpleGrid, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { selfQuery } from "@/shared/api/self";
import { CopyButton } from "@/shared/components/CopyButton";
import { ErrorState } from "@/shared/components/ErrorState";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { disableTwoFactor, enableTwoFactor, newBackupCodes, SESSIONS, setUpTwoFactor, TWO_FACTOR, twoFactorQuery } from "../api/personal";

const QrCode = lazy(() => import("@/shared/components/QrCode"));
const TOUCHED = [TWO_FACTOR, SESSIONS, selfQuery.queryKey];

interface CodeFormProps {
  label: string;
  error: unknown;
  busy: boolean;
  onCode: (code: string) => void;
}
function CodeForm({ label, error, busy, onCode }: CodeFormProps) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const [code, setCode] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onCode(code.trim());
      }}
    >
      <Stack gap="sm">
        {error ? <Alert color="red" role="alert" p="xs">{errorText(error)}</Alert> : null}
        <TextInput label={t("personal.twoFactor.code")} inputMode="numeric" autoComplete="one-time-code" data-autofocus value={code} onChange={(event) => setCode(event.currentTarget.value)} />
        <Group justify="flex-end"><Button type="submit" loading={busy} disabled={!code.trim()}>{label}</Button></Group>
      </Stack>
    </form>
  );
}

function BackupCodes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Stack>
      <Alert color="yellow">{t("personal.twoFactor.keepCodes")}</Alert>
      <SimpleGrid cols={2} spacing="xs">{codes.map((code) => <Code key={code} fz="sm">{code}</Code>)}</SimpleGrid>
      <Group justify="space-between">
        <CopyButton value={codes.join("\n")} size="md" label={t("personal.twoFactor.copyCodes")} />
        <Button onClick={onClose}>{t("personal.twoFactor.kept")}</Button>
      </Group>
    </Stack>
  );
}

type Shown = { kind: "setup"; secret: string; url: string } | { kind: "codes"; codes: string[] } | { kind: "off" } | null;

export function TwoFactorCard() {
  const { t } = useTranslation();
  const status = useQuery(twoFactorQuery);
  const [shown, setShown] = useState<Shown>(null);
  const showCodes = (codes: string[]) => setShown({ kind: "codes", codes });
  const begin = useAction({ run: () => setUpTwoFactor(), onDone: ({ secret, otpauth_url }) => setShown({ kind: "setup", secret, url: otpauth_url }) });
  const enable = useAction({ run: (code: string) => enableTwoFactor(code), done: t("personal.twoFactor.isOn"), refresh: TOUCHED, onDone: showCodes });
  const renew = useAction({ run: () => newBackupCodes(), refresh: TOUCHED, onDone: showCodes });
  const disable = useAction({ run: (code: string) => disableTwoFactor(code), done: t("personal.twoFactor.isOff"), refresh: TOUCHED, onDone: () => setShown(null) });
  const close = () => setShown(null);
  return (
    <Card withBorder>
      <Group justify="space-between" mb={4}>
        <Text fw={600}>{t("personal.twoFactor.title")}</Text>
        {status.data?.enabled && <Badge color="teal" leftSection={<IconShieldCheck size={13} />}>{t("personal.twoFactor.on")}</Badge>}
      </Group>
      <Text size="sm" c="dimmed" mb="sm">{t("personal.twoFactor.hint")}</Text>
      {status.isPending ? (
        <Skeleton h={36} />
      ) : status.error ? (
        <ErrorState error={status.error} onRetry={() => void status.refetch()} />
      ) : (
        <Stack gap="sm">
          {status.data.required && !status.data.enabled && status.data.passkeys === 0 && <Alert color="yellow" p="xs">{t("personal.twoFactor.required")}</Alert>}
          {status.data.enabled ? (
            <>
              <Text size="sm">{t("personal.twoFactor.codesLeft", { count: status.data.backup_codes_left })}</Text>
              <Group gap="xs">
                <Button variant="default" loading={renew.isPending} onClick={() => renew.mutate()}>{t("personal.twoFactor.newCodes")}</Button>
                <Button variant="light" color="red" onClick={() => setShown({ kind: "off" })}>{t("personal.twoFactor.switchOff")}</Button>
              </Group>
            </>
          ) : (
            <Group><Button variant="default" loading={begin.isPending} onClick={() => begin.mutate()}>{t("personal.twoFactor.setUp")}</Button></Group>
          )}
        </Stack>
      )}
      <Modal opened={shown !== null} onClose={close} title={t("personal.twoFactor.title")} closeOnClickOutside={false} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
        {shown?.kind === "setup" && (
          <Stack>
            <Text size="sm">{t("personal.twoFactor.scan")}</Text>
            <Group justify="center"><Suspense fallback={<Skeleton h={208} w={208} />}><QrCode value={shown.url} label={t("personal.twoFactor.qr")} /></Suspense></Group>
            <Group gap="xs" justify="center"><Code data-testid="totp-secret">{shown.secret}</Code><CopyButton value={shown.secret} /></Group>
            <CodeForm label={t("personal.twoFactor.switchOn")} error={enable.error} busy={enable.isPending} onCode={enable.mutate} />
          </Stack>
        )}
        {shown?.kind === "codes" && <BackupCodes codes={shown.codes} onClose={close} />}
        {shown?.kind === "off" && <CodeForm label={t("personal.twoFactor.switchOff")} error={disable.error} busy={disable.isPending} onCode={disable.mutate} />}
      </Modal>
    </Card>
  );
}
