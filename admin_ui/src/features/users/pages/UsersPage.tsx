// Users.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function UsersPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("users.title")} />;
}
