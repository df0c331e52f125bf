// Personal settings.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function PersonalPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("personal.title")} />;
}
