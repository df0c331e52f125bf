// Language and colour scheme without menus, so that the first page loads no floating layers.
import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconMoon, IconSun } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { LANGUAGES, type Language, setLanguage } from "@/locales";
import classes from "./AuthFrame.module.css";

export function FrameSwitches() {
  const { t, i18n } = useTranslation();
  const { setColorScheme } = useMantineColorScheme();
  const computed = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const other = computed === "dark" ? "light" : "dark";
  return (
    <>
      <select className={classes.language} aria-label={t("app.language")} value={i18n.language} onChange={(event) => void setLanguage(event.currentTarget.value as Language)}>
        {LANGUAGES.map((language) => (
          <option key={language.id} value={language.id} lang={language.id}>
            {language.name}
          </option>
        ))}
      </select>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t(`app.scheme.${other}`)} onClick={() => setColorScheme(other)}>
        {computed === "dark" ? <IconSun size={18} stroke={1.7} /> : <IconMoon size={18} stroke={1.7} />}
      </ActionIcon>
    </>
  );
}
