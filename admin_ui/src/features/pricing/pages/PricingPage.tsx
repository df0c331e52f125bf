// Pricing.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function PricingPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("pricing.title")} />;
}
