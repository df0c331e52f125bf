// Name, role and group.
import { Badge, Button, Card, Group, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { selfQuery } from "@/shared/api/self";
import { roleName, type User } from "@/shared/api/types";
import { useAction } from "@/shared/hooks/useAction";
import { saveProfile } from "../api/personal";

export function ProfileCard({ self }: { self: User }) {
  const { t } = useTranslation();
  const [name, setName] = useState(self.display_name);
  const save = useAction({ run: () => saveProfile({ display_name: name.trim() }), done: t("personal.saved"), refresh: [selfQuery.queryKey] });
  return (
    <Card withBorder>
      <Text fw={600} mb="sm">{t("personal.profile")}</Text>
      <Stack gap="sm">
        <Group gap="xs">
          <Text fw={600}>{self.username}</Text>
          <Badge color="gray">#{self.id}</Badge>
          <Badge color="blue">{t(`personal.role.${roleName(self.role)}`)}</Badge>
          <Badge color="teal">{self.group}</Badge>
        </Group>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            save.mutate();
          }}
        >
          <Group align="flex-end" gap="xs">
            <TextInput label={t("personal.displayName")} maxLength={20} style={{ flex: 1 }} value={name} onChange={(event) => setName(event.currentTarget.value)} />
            <Button type="submit" variant="default" loading={save.isPending} disabled={!name.trim() || name.trim() === self.display_name}>{t("shared.action.save")}</Button>
          </Group>
        </form>
      </Stack>
    </Card>
  );
}
