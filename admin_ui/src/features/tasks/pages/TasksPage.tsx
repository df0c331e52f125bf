// Tasks.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function TasksPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("tasks.title")} />;
}
