// A chat client of the operator's list: embedded where it allows that, in a tab of its own anywhere.
import { Alert, Button, Card, Group, SimpleGrid, Skeleton, Text } from "@mantine/core";
import { IconExternalLink, IconMessages, IconMessageOff, IconShieldExclamation } from "@tabler/icons-react";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/shared/components/EmptyState";
import { ErrorState } from "@/shared/components/ErrorState";
import { PageHeader } from "@/shared/components/PageHeader";
import type { NamedLink } from "@/shared/domain/chat-links";
import { useTellFrame } from "@/shared/hooks/useTellFrame";
import { AppLink } from "../components/AppLink";
import { NoToken } from "../components/NoToken";
import { type ChatTarget, useChatLinks, useChatTarget } from "../components/useChatLink";

export default function ChatPage() {
  const { t } = useTranslation();
  const { chatId } = useParams({ strict: false }) as { chatId?: string };
  const links = useChatLinks();
  if (!links) return <Skeleton h={320} />;
  if (chatId === undefined) return <Choice links={links} />;
  const link = links.find((one) => String(one.index) === chatId);
  if (link) return <Client key={link.index} link={link} />;
  return (
    <>
      <PageHeader title={t("chat.title")} />
      <Card>
        <EmptyState icon={IconMessageOff} message={t("chat.unknown")} hint={t("chat.unknownHint")} action={<Button component={Link} to="/chat" variant="default">{t("chat.all")}</Button>} />
      </Card>
    </>
  );
}

function Choice({ links }: { links: NamedLink[] }) {
  const { t } = useTranslation();
  return (
    <>
      <PageHeader title={t("chat.title")} hint={t("chat.hint")} />
      {links.length === 0 ? (
        <Card>
          <EmptyState icon={IconMessageOff} message={t("chat.none")} hint={t("chat.noneHint")} action={<Button component={Link} to="/console/playground">{t("chat.toPlayground")}</Button>} />
        </Card>
      ) : (
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
          {links.map((link) => (
            <Card key={link.index} component={Link} to={`/chat/${link.index}`}>
              <Group wrap="nowrap">
                <IconMessages size={24} stroke={1.5} color="var(--text-soft)" aria-hidden />
                <div style={{ minWidth: 0 }}>
                  <Text fw={600} truncate>{link.name}</Text>
                  <Text size="xs" c="dimmed" truncate>{hostOf(link.template) || t("chat.app")}</Text>
                </div>
              </Group>
            </Card>
          ))}
        </SimpleGrid>
      )}
    </>
  );
}

/** "" for apps, which have no host. */
function hostOf(template: string): string {
  return /^https?:\/\/([^/?#]+)/i.exec(template)?.[1] ?? "";
}

function Client({ link }: { link: NamedLink }) {
  const { t } = useTranslation();
  const { token = "", model = "" } = useSearch({ strict: false }) as { token?: string; model?: string };
  const target = useChatTarget(link, token, model);
  return (
    <>
      <PageHeader title={link.name}>
        {target.data?.isWeb && (
          <Button component="a" href={target.data.url} target="_blank" rel="noreferrer" variant="default" rightSection={<IconExternalLink size={16} />}>
            {t("chat.newTab")}
          </Button>
        )}
      </PageHeader>
      {target.isPending ? (
        <Skeleton h={420} />
      ) : target.isError ? (
        <ErrorState error={target.error} onRetry={() => void target.refetch()} />
      ) : target.data === null ? (
        <Card><NoToken wanted={token} /></Card>
      ) : target.data.isWeb ? (
        <Frame name={link.name} target={target.data} />
      ) : (
        <AppLink name={link.name} target={target.data} />
      )}
    </>
  );
}

/** A foreign page gets the key only after a click: it travels in the address. */
function Frame({ name, target }: { name: string; target: ChatTarget }) {
  const { t } = useTranslation();
  const host = new URL(target.url).host;
  const [shown, setShown] = useState(!target.isForeign || sessionStorage.getItem(`medusa.chat.${host}`) === "yes");
  if (!shown) {
    return (
      <Card maw={560} mx="auto" mt="lg">
        <Alert color="yellow" icon={<IconShieldExclamation size={18} />} title={t("chat.foreign", { host })}>
          {t("chat.leaves", { name: target.tokenName })}
        </Alert>
        <Button
          mt="md"
          onClick={() => {
            sessionStorage.setItem(`medusa.chat.${host}`, "yes");
            setShown(true);
          }}
        >
          {t("chat.open", { name })}
        </Button>
      </Card>
    );
  }
  return <Embedded name={name} url={target.url} />;
}

function Embedded({ name, url }: { name: string; url: string }) {
  const { t } = useTranslation();
  const frame = useRef<HTMLIFrameElement>(null);
  const tell = useTellFrame(frame, url);
  return (
    <>
      <iframe
        ref={frame}
        onLoad={tell}
        title={name}
        src={url}
        referrerPolicy="no-referrer"
        sandbox="allow-scripts allow-forms allow-same-origin allow-popups allow-downloads"
        allow="camera; microphone; clipboard-write"
        style={{ width: "100%", height: "calc(100dvh - 190px)", minHeight: 420, border: "1px solid var(--line)", borderRadius: 12, background: "var(--surface-raised)" }}
      />
      <Text size="xs" c="dimmed" mt={6}>{t("chat.blank")}</Text>
    </>
  );
}
