// x.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function ResetPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("auth.title")} />;
}
