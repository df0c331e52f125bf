// Tokens.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function TokensPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("tokens.title")} />;
}
