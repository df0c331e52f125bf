// Password, access token of the management API, and the browsers that are signed in.
import { ActionIcon, Alert, Badge, Button, Card, Code, Group, PasswordInput, Skeleton, Stack, Table, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconLogout } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/shared/components/CopyButton";
import { ErrorState } from "@/shared/components/ErrorState";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { changePassword, deviceOf, endOtherSessions, endSession, newAccessToken, SESSIONS, sessionsQuery } from "../api/personal";

const PASSWORD_MIN = 8;

export function PasswordCard() {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const form = useForm({
    initialValues: { original_password: "", password: "", again: "" },
    validate: {
      password: (value) => (value.length >= PASSWORD_MIN ? null : t("personal.problem.short", { count: PASSWORD_MIN })),
      again: (value, values) => (value === values.password ? null : t("personal.problem.differ")),
    },
  });
  const save = useAction({ run: () => changePassword({ original_password: form.values.original_password, password: form.values.password }), done: t("personal.passwordChanged"), refresh: [SESSIONS], onDone: () => form.reset() });
  return (
    <Card withBorder>
      <Text fw={600} mb="sm">{t("personal.password")}</Text>
      <form onSubmit={form.onSubmit(() => save.mutate())} noValidate>
        <Stack gap="sm">
          {save.error && <Alert color="red" role="alert" p="xs">{errorText(save.error)}</Alert>}
          <PasswordInput label={t("personal.oldPassword")} autoComplete="current-password" {...form.getInputProps("original_password")} />
          <PasswordInput label={t("personal.newPassword")} autoComplete="new-password" {...form.getInputProps("password")} />
          <PasswordInput label={t("personal.repeat")} autoComplete="new-password" {...form.getInputProps("again")} />
          <Group justify="flex-end"><Button type="submit" loading={save.isPending}>{t("personal.change")}</Button></Group>
        </Stack>
      </form>
    </Card>
  );
}

export function AccessTokenCard() {
  const { t } = useTranslation();
  const confirm = useConfirm();
  const [token, setToken] = useState("");
  const make = useAction({ run: () => newAccessToken(), onDone: setToken });
  return (
    <Card withBorder>
      <Text fw={600} mb={4}>{t("personal.accessToken")}</Text>
      <Text size="sm" c="dimmed" mb="sm">{t("personal.accessTokenHint")}</Text>
      {token && (
        <Group wrap="nowrap" gap="xs" mb="sm">
          <Code block style={{ flex: 1, overflow: "auto" }}>{token}</Code>
          <CopyButton value={token} size="md" />
        </Group>
      )}
      <Button variant="default" loading={make.isPending} onClick={() => confirm({ title: t("personal.replaceToken"), confirmLabel: t("personal.newToken"), onConfirm: () => make.mutateAsync() })}>{t("personal.newToken")}</Button>
    </Card>
  );
}

export function SessionsCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const sessions = useQuery(sessionsQuery);
  const end = useAction({ run: (id: string) => endSession(id), done: t("personal.sessionEnded"), refresh: [SESSIONS] });
  const endOthers = useAction({ run: () => endOtherSessions(), done: t("personal.sessionEnded"), refresh: [SESSIONS] });
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Text fw={600}>{t("personal.sessions")}</Text>
        {(sessions.data?.length ?? 0) > 1 && <Button size="xs" variant="light" color="red" loading={endOthers.isPending} onClick={() => endOthers.mutate()}>{t("personal.endOthers")}</Button>}
      </Group>
      {sessions.isPending ? (
        <Skeleton h={80} />
      ) : sessions.error ? (
        <ErrorState error={sessions.error} onRetry={() => void sessions.refetch()} />
      ) : (
        <Table fz="sm" verticalSpacing={6}>
          <Table.Tbody>
            {sessions.data.map((session) => (
              <Table.Tr key={session.id}>
                <Table.Td>
                  <Text size="sm" fw={600} title={session.user_agent}>{deviceOf(session.user_agent)}</Text>
                  <Text size="xs" c="dimmed">{session.ip} · {t("personal.lastSeen", { ago: format.ago(session.last_seen) })}</Text>
                </Table.Td>
                <Table.Td w={120} ta="right">
                  {session.current ? <Badge color="teal">{t("personal.thisDevice")}</Badge> : <ActionIcon variant="subtle" color="red" aria-label={t("personal.endOf", { device: deviceOf(session.user_agent) })} onClick={() => end.mutate(session.id)}><IconLogout size={17} /></ActionIcon>}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}
