// Log in.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function LoginPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("auth.title")} />;
}
