// About.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function AboutPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("home.title")} />;
}
