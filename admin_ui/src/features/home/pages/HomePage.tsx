// The front page: the operator's content, or a short introduction; the notice on top.
import { Alert, Button, Card, Code, Container, Group, SimpleGrid, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconActivityHeartbeat, IconArrowRight, IconBell, IconCoin, IconRouteAltLeft } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api } from "@/shared/api/client";
import { selfQuery } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import { CopyButton } from "@/shared/components/CopyButton";
import { SafeHtml } from "@/shared/components/SafeHtml";
import { serverAddress } from "@/shared/domain/chat-links";
import { OperatorPage } from "../components/OperatorPage";

const POINTS = [
  { id: "dialects", icon: IconRouteAltLeft },
  { id: "money", icon: IconCoin },
  { id: "health", icon: IconActivityHeartbeat },
] as const;

function Notice() {
  const { t } = useTranslation();
  const [seen, setSeen] = useLocalStorage({ key: "medusa.notice", defaultValue: "", getInitialValueInEffect: false });
  const notice = useQuery({ queryKey: ["content", "notice"], queryFn: ({ signal }) => api.get<string>("/api/notice", { signal }).then((text) => text ?? "") });
  if (!notice.data || notice.data === seen) return null;
  return (
    <Container pt="md">
      <Alert icon={<IconBell size={18} />} title={t("home.notice")} withCloseButton closeButtonLabel={t("shared.action.close")} onClose={() => setSeen(notice.data)}>
        <SafeHtml html={notice.data} markdown />
      </Alert>
    </Container>
  );
}

function Introduction() {
  const { t } = useTranslation();
  const status = useStatus();
  const self = useQuery(selfQuery);
  const address = `${serverAddress(status?.server_address)}/v1`;
  return (
    <Container size="lg" py={{ base: 48, sm: 88 }}>
      <Stack align="center" gap="lg">
        <img src={status?.logo || "/logo.svg"} alt="" width={72} height={72} style={{ borderRadius: 18 }} />
        <Title order={1} ta="center" fz={{ base: 34, sm: 48 }} lts="-0.03em" lh={1.1} maw={760}>
          {t("home.headline")}
        </Title>
        <Text c="dimmed" size="lg" ta="center" maw={620}>
          {t("home.lead", { name: status?.system_name || "MedusaXD API" })}
        </Text>
        <Group>
          <Button component={Link} to={self.data ? "/console" : "/login"} size="md" rightSection={<IconArrowRight size={18} />}>
            {t(self.data ? "home.toConsole" : "home.start")}
          </Button>
          <Button component={Link} to="/pricing" size="md" variant="default">
            {t("home.prices")}
          </Button>
        </Group>
        <Group gap={6} wrap="nowrap">
          <Code fz="sm" px="md" py={8}>{address}</Code>
          <CopyButton value={address} label={t("home.copyAddress")} size="md" />
        </Group>
      </Stack>
      <SimpleGrid cols={{ base: 1, sm: 3 }} mt={{ base: 48, sm: 80 }}>
        {POINTS.map(({ id, icon: IconOf }) => (
          <Card key={id} p="lg">
            <ThemeIcon variant="light" size={40} radius="md">
              <IconOf size={22} stroke={1.7} />
            </ThemeIcon>
            <Text fw={650} mt="md">{t(`home.point.${id}`)}</Text>
            <Text size="sm" c="dimmed" mt={4}>{t(`home.pointText.${id}`)}</Text>
          </Card>
        ))}
      </SimpleGrid>
    </Container>
  );
}

export default function HomePage() {
  const { t } = useTranslation();
  return (
    <>
      <Notice />
      <OperatorPage path="/api/home_page_content" title={t("home.title")} fallback={<Introduction />} />
    </>
  );
}
