// Redemption codes.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function RedemptionsPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("redemptions.title")} />;
}
