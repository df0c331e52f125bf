// Playground.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function PlaygroundPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("playground.title")} />;
}
