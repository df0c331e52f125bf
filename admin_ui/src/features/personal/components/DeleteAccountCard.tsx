// The end of an account: typed, confirmed, and final.
import { Button, Card, Group, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { session } from "@/shared/api/client";
import type { User } from "@/shared/api/types";
import { useAction } from "@/shared/hooks/useAction";
import { useConfirm } from "@/shared/hooks/useConfirm";
import { deleteAccount } from "../api/personal";

export function DeleteAccountCard({ self }: { self: User }) {
  const { t } = useTranslation();
  const confirm = useConfirm();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useAction({
    run: () => deleteAccount(),
    done: t("personal.delete.done"),
    onDone: () => {
      session.end();
      queries.clear();
      void navigate({ to: "/", replace: true });
    },
  });
  const ask = () => confirm({ title: t("personal.delete.title"), message: t("personal.delete.warning"), typed: self.username, danger: true, confirmLabel: t("personal.delete.button"), onConfirm: () => remove.mutateAsync() });
  return (
    <Card withBorder>
      <Text fw={600} mb={4}>{t("personal.delete.title")}</Text>
      <Text size="sm" c="dimmed" mb="sm">{t("personal.delete.hint")}</Text>
      <Group><Button variant="light" color="red" onClick={ask}>{t("personal.delete.button")}</Button></Group>
    </Card>
  );
}
