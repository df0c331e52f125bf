// Wallet.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function TopUpPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("topup.title")} />;
}
