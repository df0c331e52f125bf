// Settings.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function SettingsPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("settings.title")} />;
}
