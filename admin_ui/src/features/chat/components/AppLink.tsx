// An app on this device: one button that opens it, and the values to copy where it does not answer.
import { Alert, Button, Card, Stack, Text, TextInput } from "@mantine/core";
import { IconExternalLink, IconShieldExclamation } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/shared/components/CopyButton";
import type { ChatTarget } from "./useChatLink";

export function AppLink({ name, target }: { name: string; target: ChatTarget }) {
  const { t } = useTranslation();
  return (
    <Card maw={520} mx="auto" mt="lg">
      <Stack gap="sm">
        <Text size="sm">{t(target.isWeb ? "chat.webHint" : "chat.appHint", { name })}</Text>
        <Alert color="yellow" icon={<IconShieldExclamation size={18} />} p="xs">
          {t("chat.leaves", { name: target.tokenName })}
        </Alert>
        <Button component="a" href={target.url} {...(target.isWeb ? { target: "_blank" } : {})} rel="noreferrer" rightSection={<IconExternalLink size={16} />}>
          {t("chat.open", { name })}
        </Button>
        <TextInput label={t("chat.address")} readOnly value={target.address} rightSection={<CopyButton value={target.address} />} />
        <TextInput label={t("chat.key")} readOnly type="password" value={target.key} rightSection={<CopyButton value={target.key} />} />
      </Stack>
    </Card>
  );
}
