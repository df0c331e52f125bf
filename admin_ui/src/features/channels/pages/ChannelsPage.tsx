// Channels.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function ChannelsPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("channels.title")} />;
}
