// Setup.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function SetupPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("setup.title")} />;
}
