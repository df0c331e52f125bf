// x.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function OAuthReturnPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("auth.title")} />;
}
