// Passkeys of the account: made on this device, renamed, taken away.
import { ActionIcon, Button, Card, Group, Skeleton, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconCheck, IconEdit, IconFingerprint, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { canUsePasskeys, makePasskey } from "@/shared/api/passkeys";
import type { Passkey } from "@/shared/api/types";
import { ErrorState } from "@/shared/components/ErrorState";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { deletePasskey, deviceOf, PASSKEYS, passkeysQuery, renamePasskey, SESSIONS, TWO_FACTOR } from "../api/personal";

function PasskeyRow({ passkey }: { passkey: Passkey }) {
  const { t } = useTranslation();
  const format = useFormat();
  const confirm = useConfirm();
  const [name, setName] = useState<string | null>(null);
  const rename = useAction({ run: () => renamePasskey(passkey.id, name ?? ""), done: t("personal.saved"), refresh: [PASSKEYS], onDone: () => setName(null) });
  const remove = useAction({ run: () => deletePasskey(passkey.id), done: t("personal.passkeys.removed"), refresh: [PASSKEYS, TWO_FACTOR] });
  return (
    <Table.Tr>
      <Table.Td>
        {name === null ? (
          <>
            <Text size="sm" fw={600}>{passkey.name}</Text>
            <Text size="xs" c="dimmed">{passkey.last_used ? t("personal.passkeys.lastUsed", { ago: format.ago(passkey.last_used) }) : t("personal.passkeys.neverUsed")}</Text>
          </>
        ) : (
          <TextInput size="xs" aria-label={t("personal.passkeys.name")} maxLength={64} autoFocus value={name} onChange={(event) => setName(event.currentTarget.value)} />
        )}
      </Table.Td>
      <Table.Td w={90} ta="right">
        {name === null ? (
          <Group gap={2} justify="flex-end" wrap="nowrap">
            <ActionIcon variant="subtle" aria-label={t("personal.passkeys.rename", { name: passkey.name })} onClick={() => setName(passkey.name)}><IconEdit size={17} /></ActionIcon>
            <ActionIcon variant="subtle" color="red" aria-label={t("personal.passkeys.remove", { name: passkey.name })} onClick={() => confirm({ title: t("personal.passkeys.remove", { name: passkey.name }), danger: true, onConfirm: () => remove.mutateAsync() })}><IconTrash size={17} /></ActionIcon>
          </Group>
        ) : (
          <ActionIcon variant="light" aria-label={t("shared.action.save")} loading={rename.isPending} disabled={!name.trim()} onClick={() => rename.mutate()}><IconCheck size={17} /></ActionIcon>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

export function PasskeysCard() {
  const { t } = useTranslation();
  const passkeys = useQuery(passkeysQuery);
  const make = useAction({
    run: async () => {
      try {
        await makePasskey(deviceOf(navigator.userAgent));
        return true;
      } catch (error) {
        if (error instanceof DOMException && error.name !== "InvalidStateError") return false; // the person closed the dialog
        throw error;
      }
    },
    refresh: [PASSKEYS, TWO_FACTOR, SESSIONS],
  });
  return (
    <Card withBorder>
      <Text fw={600} mb={4}>{t("personal.passkeys.title")}</Text>
      <Text size="sm" c="dimmed" mb="sm">{t("personal.passkeys.hint")}</Text>
      {passkeys.isPending ? (
        <Skeleton h={60} />
      ) : passkeys.error ? (
        <ErrorState error={passkeys.error} onRetry={() => void passkeys.refetch()} />
      ) : (
        <Stack gap="sm">
          {passkeys.data.length > 0 && <Table fz="sm" verticalSpacing={6}><Table.Tbody>{passkeys.data.map((passkey) => <PasskeyRow key={passkey.id} passkey={passkey} />)}</Table.Tbody></Table>}
          {canUsePasskeys() ? (
            <Group><Button variant="default" leftSection={<IconFingerprint size={17} />} loading={make.isPending} onClick={() => make.mutate()}>{t("personal.passkeys.add")}</Button></Group>
          ) : (
            <Text size="sm" c="dimmed">{t("personal.passkeys.unavailable")}</Text>
          )}
        </Stack>
      )}
    </Card>
  );
}
