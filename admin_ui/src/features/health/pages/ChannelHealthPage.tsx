// x.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function ChannelHealthPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("health.title")} />;
}
