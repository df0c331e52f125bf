// Logs.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function LogsPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("logs.title")} />;
}
