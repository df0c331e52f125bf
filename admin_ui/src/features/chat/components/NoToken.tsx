// No token can be used: make one named "chat" with one click.
import { Button } from "@mantine/core";
import { IconKeyOff, IconPlus } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/shared/components/EmptyState";
import { useAction } from "@/shared/hooks/useAction";
import { createChatToken } from "../api/tokens";

export function NoToken({ wanted }: { wanted: string }) {
  const { t } = useTranslation();
  const create = useAction({ run: () => createChatToken(), done: t("chat.tokenCreated"), refresh: [["tokens"]] });
  return (
    <EmptyState
      icon={IconKeyOff}
      message={t(wanted ? "chat.tokenMissing" : "chat.noToken", { name: wanted })}
      hint={t("chat.noTokenHint")}
      action={
        <Button leftSection={<IconPlus size={16} />} loading={create.isPending} onClick={() => create.mutate()}>
          {t("chat.createToken")}
        </Button>
      }
    />
  );
}
