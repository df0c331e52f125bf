// A bookmark that lands in a chat client with a working key: /chat2link?id=0&token=…&model=…&new=1.
import { Button, Card, Group, Loader, Text } from "@mantine/core";
import { IconMessageOff } from "@tabler/icons-react";
import { Link, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { PageHeader } from "@/shared/components/PageHeader";
import { AppLink } from "../components/AppLink";
import { NoToken } from "../components/NoToken";
import { useChatLinks, useChatTarget } from "../components/useChatLink";

export default function ChatLinkPage() {
  const { t } = useTranslation();
  const search = useSearch({ strict: false }) as { id?: string; token?: string; model?: string; new?: string };
  const links = useChatLinks();
  const link = links?.find((one) => String(one.index) === (search.id ?? "0"));
  const target = useChatTarget(link, search.token ?? "", search.model ?? "");
  const url = target.data?.isWeb && search.new !== "1" ? target.data.url : null;
  useEffect(() => {
    if (url) window.location.replace(url); // so that Back does not come here again
  }, [url]);
  return (
    <>
      <PageHeader title={link?.name ?? t("chat.title")} />
      {links && !link ? (
        <Card>
          <EmptyState icon={IconMessageOff} message={t(links.length ? "chat.unknown" : "chat.none")} hint={t(links.length ? "chat.unknownHint" : "chat.noneHint")} action={<Button component={Link} to={links.length ? "/chat" : "/console/playground"}>{t(links.length ? "chat.all" : "chat.toPlayground")}</Button>} />
        </Card>
      ) : target.isError ? (
        <ErrorState error={target.error} onRetry={() => void target.refetch()} />
      ) : target.data === null ? (
        <Card><NoToken wanted={search.token ?? ""} /></Card>
      ) : target.data && url === null && link ? (
        <AppLink name={link.name} target={target.data} />
      ) : (
        <Group justify="center" py="xl" role="status">
          <Loader size="sm" />
          <Text size="sm" c="dimmed">{t("chat.opening")}</Text>
        </Group>
      )}
    </>
  );
}
