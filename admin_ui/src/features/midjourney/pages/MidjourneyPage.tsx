// Midjourney.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function MidjourneyPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("midjourney.title")} />;
}
