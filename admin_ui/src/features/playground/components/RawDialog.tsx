// A call as it was on the wire: what was sent, and every event that came back.
import { Badge, Code, Group, Modal, Tabs, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { CodeBlock } from "@/shared/components/CodeBlock";
import { shorten } from "../api/request";
import { type Exchange, PATH } from "../api/stream";

const HEIGHT = 460; // px

/** A whole JSON body indented; a stream as it came. */
function responseText({ contentType, received }: Exchange): string {
  const text = received.join("\n\n");
  if (contentType.includes("event-stream")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function RawDialog({ model, exchange, onClose }: { model: string; exchange: Exchange | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const streamed = exchange?.contentType.includes("event-stream") ?? false;
  return (
    <Modal opened onClose={onClose} size="xl" title={t("playground.raw.title", { model })} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      {!exchange ? (
        <Text size="sm" c="dimmed">{t("playground.raw.gone")}</Text>
      ) : (
        <Tabs defaultValue="request" keepMounted={false}>
          <Tabs.List mb="sm">
            <Tabs.Tab value="request">{t("playground.raw.request")}</Tabs.Tab>
            <Tabs.Tab value="response">{streamed ? t("playground.raw.events", { count: exchange.received.length }) : t("playground.raw.response")}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="request">
            <Group gap="xs" mb="xs">
              <Code>{PATH}</Code>
            </Group>
            <CodeBlock language="json" maxHeight={HEIGHT} code={JSON.stringify(shorten(exchange.request), null, 2)} copied={JSON.stringify(exchange.request, null, 2)} />
          </Tabs.Panel>
          <Tabs.Panel value="response">
            <Group gap="xs" mb="xs">
              {exchange.status > 0 && <Badge color={exchange.status < 400 ? "teal" : "red"}>{exchange.status}</Badge>}
              {exchange.requestId && <Code>{exchange.requestId}</Code>}
            </Group>
            <CodeBlock language={streamed ? "text/event-stream" : "json"} maxHeight={HEIGHT} code={responseText(exchange)} />
          </Tabs.Panel>
        </Tabs>
      )}
    </Modal>
  );
}
