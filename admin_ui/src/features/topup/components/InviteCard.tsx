// The own invitation link, what it brought, and moving the reward to the balance.
import { Button, Card, Group, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { selfQuery, useSelf } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import { CopyButton } from "@/shared/components/CopyButton";
import { QuotaInput } from "@/shared/components/QuotaInput";
import { Stat } from "@/shared/components/Stat";
import { serverAddress } from "@/shared/domain/chat-links";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { invitationCode, moveReward } from "../api/topup";

export function InviteCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const self = useSelf();
  const status = useStatus();
  const code = useQuery({ queryKey: ["invitation"], queryFn: invitationCode, staleTime: Number.POSITIVE_INFINITY });
  const [units, setUnits] = useState(0);
  const move = useAction({ run: () => moveReward(units), done: t("topup.moved"), refresh: [selfQuery.queryKey], onDone: () => setUnits(0) });
  const least = format.display.quota_per_unit;
  const reward = self?.aff_quota ?? 0;
  const link = code.data ? `${serverAddress(status?.server_address)}/register?aff=${code.data}` : "";
  return (
    <Card withBorder>
      <Text fw={600} mb="sm">{t("topup.invite")}</Text>
      <Stack gap="sm">
        <TextInput label={t("topup.inviteLink")} readOnly value={link} rightSection={<CopyButton value={link} />} />
        <SimpleGrid cols={3}>
          <Stat label={t("topup.invited")} value={format.number(self?.aff_count ?? 0)} />
          <Stat label={t("topup.reward")} value={format.quota(reward)} />
          <Stat label={t("topup.rewardAll")} value={format.quota(self?.aff_history_quota ?? 0)} />
        </SimpleGrid>
        {reward >= least && (
          <Group align="flex-end" gap="xs">
            <QuotaInput label={t("topup.move")} value={units} min={least} onChange={(next) => setUnits(Math.min(next, reward))} />
            <Button variant="default" disabled={units < least} loading={move.isPending} onClick={() => move.mutate()}>{t("topup.moveNow")}</Button>
          </Group>
        )}
      </Stack>
    </Card>
  );
}
