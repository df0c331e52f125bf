// Choose an amount, see its price, go and pay.
import { Alert, Button, Card, Chip, Group, NumberInput, Skeleton, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconCreditCard, IconWallet } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { pay, priceOfAmount, type Provider } from "../api/topup";

const PRESETS = [5, 10, 20, 50, 100, 500]; // USD

export function PayCard({ providers }: { providers: Provider[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const status = useStatus();
  const errorText = useErrorText();
  const asMoney = format.display.display_in_currency;
  const scale = asMoney ? 1 : format.display.quota_per_unit; // amounts are sent in units where money is not shown
  const [usd, setUsd] = useState(Math.max(10, status?.min_topup ?? 1));
  const [settled] = useDebouncedValue(usd, 400);
  const price = useQuery({ queryKey: ["price-of", providers[0], settled], queryFn: () => priceOfAmount(providers[0]!, Math.round(settled * scale)), retry: false, staleTime: 60_000 });
  const go = useAction({ run: ({ provider, method }: { provider: Provider; method: string }) => pay(provider, Math.round(usd * scale), method) });
  return (
    <Card withBorder>
      <Text fw={600} mb="sm">{t("topup.pay")}</Text>
      <Stack gap="sm">
        <Chip.Group value={String(usd)} onChange={(value) => setUsd(Number(value))}>
          <Group gap="xs">
            {PRESETS.map((amount) => <Chip key={amount} value={String(amount)}>${amount}</Chip>)}
          </Group>
        </Chip.Group>
        <NumberInput label={t("topup.amount")} prefix="$" min={status?.min_topup ?? 1} allowDecimal={false} value={usd} onChange={(value) => setUsd(Number(value) || 0)} />
        {price.isFetching ? <Skeleton h={24} w={140} /> : price.error ? <Alert color="orange" p="xs">{errorText(price.error)}</Alert> : <Text size="sm">{t("topup.price", { price: price.data })}</Text>}
        <Group gap="xs">
          {providers.includes("epay") && (
            <>
              <Button leftSection={<IconWallet size={16} />} loading={go.isPending} disabled={price.isError} onClick={() => go.mutate({ provider: "epay", method: "alipay" })}>{t("topup.alipay")}</Button>
              <Button color="teal" leftSection={<IconWallet size={16} />} loading={go.isPending} disabled={price.isError} onClick={() => go.mutate({ provider: "epay", method: "wxpay" })}>{t("topup.wechat")}</Button>
            </>
          )}
          {providers.includes("stripe") && <Button variant={providers.length > 1 ? "default" : "filled"} leftSection={<IconCreditCard size={16} />} loading={go.isPending} onClick={() => go.mutate({ provider: "stripe", method: "" })}>{t("topup.card")}</Button>}
        </Group>
      </Stack>
    </Card>
  );
}
