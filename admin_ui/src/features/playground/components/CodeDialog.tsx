// The call that would be sent now, as a program would make it with a token.
import { Modal, Select, Stack, Tabs, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import { CodeBlock } from "@/shared/components/CodeBlock";
import { serverAddress } from "@/shared/domain/chat-links";
import { type RequestBody, shorten } from "../api/request";
import { LANGUAGE_OF, SNIPPETS } from "../api/snippets";

interface CodeDialogProps {
  models: readonly string[];
  requestFor: (model: string) => RequestBody;
  onClose: () => void;
}
export function CodeDialog({ models, requestFor, onClose }: CodeDialogProps) {
  const { t } = useTranslation();
  const address = serverAddress(useStatus()?.server_address);
  const [model, setModel] = useState(models[0] ?? "");
  const request = requestFor(model);
  const shown = shorten(request) as RequestBody;
  return (
    <Modal opened onClose={onClose} size="xl" title={t("playground.code")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <Stack gap="sm">
        {models.length > 1 && <Select label={t("playground.model")} allowDeselect={false} data={[...models]} value={model} onChange={(value) => setModel(value ?? model)} />}
        <Tabs defaultValue="curl" keepMounted={false}>
          <Tabs.List mb="sm">
            {Object.keys(SNIPPETS).map((name) => <Tabs.Tab key={name} value={name}>{name}</Tabs.Tab>)}
          </Tabs.List>
          {Object.entries(SNIPPETS).map(([name, write]) => (
            <Tabs.Panel key={name} value={name}>
              <CodeBlock language={LANGUAGE_OF[name as keyof typeof SNIPPETS]} maxHeight={440} code={write(address, shown)} copied={write(address, request)} />
            </Tabs.Panel>
          ))}
        </Tabs>
        <Text size="sm" c="dimmed">{t("playground.copyCode")}</Text>
      </Stack>
    </Modal>
  );
}
