// "?": the keys that work everywhere.
import { Group, Kbd, Modal, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import { visibleNavigation } from "./navigation";

export default function KeyboardHelp({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const self = useSelf();
  const status = useStatus();
  const general: [string[], string][] = [
    [["Ctrl/⌘", "K"], t("app.palette.open")],
    [["/"], t("app.keyboard.search")],
    [["j", "k"], t("app.keyboard.rows")],
    [["x"], t("app.keyboard.select")],
    [["Enter"], t("app.keyboard.openRow")],
    [["Esc"], t("app.keyboard.close")],
    [["?"], t("app.keyboard.title")],
  ];
  const pages = visibleNavigation(self?.role ?? 0, status)
    .flatMap((group) => group.items)
    .map((item): [string[], string] => [["g", item.key], t(`app.nav.${item.id}`)]);
  return (
    <Modal opened onClose={onClose} title={t("app.keyboard.title")} size="lg">
      <Group align="flex-start" grow gap="xl">
        {[general, pages].map((list, index) => (
          <Stack key={index} gap={8}>
            {list.map(([keys, label]) => (
              <Group key={keys.join()} justify="space-between" wrap="nowrap">
                <Text size="sm">{label}</Text>
                <Group gap={4} wrap="nowrap">
                  {keys.map((key) => (
                    <Kbd key={key} size="xs">
                      {key}
                    </Kbd>
                  ))}
                </Group>
              </Group>
            ))}
          </Stack>
        ))}
      </Group>
    </Modal>
  );
}
