// Chat.
import { useTranslation } from "react-i18next";
import { PageHeader } from "@/shared/components/PageHeader";

export default function ChatPage() {
  const { t } = useTranslation();
  return <PageHeader title={t("chat.title")} />;
}
