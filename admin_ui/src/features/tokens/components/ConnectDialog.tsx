// How to use a token: address and key to copy, a QR code, an example call, chat clients.
import { Button, Group, Modal, SimpleGrid, Skeleton, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import type { Token } from "@/shared/api/types";
import { CodeBlock } from "@/shared/components/CodeBlock";
import { CopyButton } from "@/shared/components/CopyButton";
import { ErrorState } from "@/shared/components/ErrorState";
import { expandChatLink, isSafeLink, readChatLinks, serverAddress } from "@/shared/domain/chat-links";
import { ownModelsQuery, revealKey, sampleModel } from "../api/tokens";

const QrCode = lazy(() => import("@/shared/components/QrCode"));

const SAMPLES: Record<string, (address: string, model: string) => string> = {
  curl: (address, model) => `curl ${address}/v1/chat/completions \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}",
       "messages": [{"role": "user", "content": "Hello"}]}'`,
  Python: (address, model) => `from openai import OpenAI

client = OpenAI(base_url="${address}/v1", api_key=API_KEY)
reply = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(reply.choices[0].message.content)`,
  JavaScript: (address, model) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${address}/v1", apiKey: process.env.API_KEY });
const reply = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello" }],
});`,
};

export function ConnectDialog({ token, onClose }: { token: Token; onClose: () => void }) {
  const { t } = useTranslation();
  const status = useStatus();
  const address = serverAddress(status?.server_address);
  const key = useQuery({ queryKey: ["token-key", token.id], queryFn: () => revealKey(token.id), gcTime: 0, staleTime: 0, retry: false, refetchOnWindowFocus: false });
  const own = useQuery(ownModelsQuery);
  const model = sampleModel(token, own.data ?? []);
  const links = readChatLinks(status?.chats);
  return (
    <Modal opened onClose={onClose} size="lg" title={t("tokens.connect.title", { name: token.name })}>
      {key.isPending ? (
        <Skeleton h={260} />
      ) : key.isError ? (
        <ErrorState error={key.error} onRetry={() => void key.refetch()} />
      ) : (
        <Stack>
          <Group align="flex-start" gap="lg" wrap="wrap">
            <Stack gap="sm" style={{ flex: 1, minWidth: 240 }}>
              <TextInput label={t("tokens.connect.address")} readOnly value={address} rightSection={<CopyButton value={address} />} />
              <TextInput label={t("tokens.connect.key")} readOnly value={key.data} rightSection={<CopyButton value={key.data} />} styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }} />
              {links.length > 0 && (
                <div>
                  <Text size="sm" fw={500} mb={4}>
                    {t("tokens.connect.clients")}
                  </Text>
                  <SimpleGrid cols={{ base: 1, xs: 2 }} spacing={6}>
                    {links.map((link) => {
                      const url = expandChatLink(link.template, { key: key.data, address });
                      return (
                        <Button key={link.index} size="xs" variant="default" component="a" href={isSafeLink(url) ? url : undefined} target="_blank" rel="noreferrer" rightSection={<IconExternalLink size={14} />}>
                          {link.name}
                        </Button>
                      );
                    })}
                  </SimpleGrid>
                </div>
              )}
            </Stack>
            <Suspense fallback={<Skeleton w={208} h={208} />}>
              <QrCode value={key.data} label={t("tokens.connect.qr")} />
            </Suspense>
          </Group>
          <Tabs defaultValue="curl">
            <Tabs.List>
              {Object.keys(SAMPLES).map((name) => (
                <Tabs.Tab key={name} value={name}>
                  {name}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            {Object.entries(SAMPLES).map(([name, sample]) => (
              <Tabs.Panel key={name} value={name} pt="xs">
                <CodeBlock code={sample(address, model)} language={model} />
              </Tabs.Panel>
            ))}
          </Tabs>
        </Stack>
      )}
    </Modal>
  );
}
