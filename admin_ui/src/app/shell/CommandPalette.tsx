// Ctrl/⌘+K: every page and the switches of the frame, by name.
import "@mantine/spotlight/styles.layer.css";
import { Kbd, useMantineColorScheme } from "@mantine/core";
import { createSpotlight, Spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import { IconKeyboard, IconLanguage, IconMoon, IconSearch, IconSun } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { LANGUAGES, setLanguage } from "@/locales";
import { useSelf } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import { visibleNavigation } from "./navigation";

const [store, spotlight] = createSpotlight();

export default function CommandPalette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const self = useSelf();
  const status = useStatus();
  const { setColorScheme } = useMantineColorScheme();
  useEffect(() => {
    spotlight.open();
    return () => spotlight.close();
  }, []);

  const pages: SpotlightActionGroupData[] = visibleNavigation(self?.role ?? 0, status).map((group) => ({
    group: t(`app.navGroup.${group.id}`),
    actions: group.items.map((item) => ({
      id: item.id,
      label: t(`app.nav.${item.id}`),
      keywords: [item.id, item.to],
      leftSection: <item.icon size={18} stroke={1.7} />,
      rightSection: (
        <span>
          <Kbd size="xs">g</Kbd> <Kbd size="xs">{item.key}</Kbd>
        </span>
      ),
      onClick: () => void navigate({ to: item.to }),
    })),
  }));
  const commands: SpotlightActionGroupData = {
    group: t("app.palette.commands"),
    actions: [
      { id: "light", label: t("app.scheme.light"), leftSection: <IconSun size={18} />, onClick: () => setColorScheme("light") },
      { id: "dark", label: t("app.scheme.dark"), leftSection: <IconMoon size={18} />, onClick: () => setColorScheme("dark") },
      ...LANGUAGES.map((language) => ({
        id: language.id,
        label: language.name,
        leftSection: <IconLanguage size={18} />,
        onClick: () => void setLanguage(language.id),
      })),
      { id: "keyboard", label: t("app.keyboard.title"), leftSection: <IconKeyboard size={18} />, onClick: () => window.setTimeout(onHelp, 50) },
    ],
  };
  return (
    <Spotlight
      store={store}
      actions={[...pages, commands]}
      shortcut={null}
      highlightQuery
      scrollable
      maxHeight={420}
      nothingFound={t("app.palette.nothing")}
      searchProps={{ leftSection: <IconSearch size={18} />, placeholder: t("app.palette.placeholder"), "aria-label": t("app.palette.placeholder") }}
      onSpotlightClose={onClose}
    />
  );
}
