// Create or edit an account.
import { Alert, Button, Drawer, Group, PasswordInput, Select, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { Role, type User } from "@/shared/api/types";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { useUnsavedGuard } from "@/shared/hooks/useUnsavedGuard";
import { allGroupsQuery, createUser, updateUser, USERS } from "../api/users";

const PASSWORD_MIN = 8;

export function UserDialog({ user, onClose }: { user: User | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const self = useSelf();
  const errorText = useErrorText();
  const groups = useQuery(allGroupsQuery);
  const form = useForm({
    initialValues: { username: user?.username ?? "", display_name: user?.display_name ?? "", password: "", group: user?.group ?? "default", role: String(Role.user) },
    validate: {
      username: (value) => (/^[\p{L}\p{N}_.-]{1,32}$/u.test(value) ? null : t("users.problem.username")),
      password: (value) => ((value === "" && user) || value.length >= PASSWORD_MIN ? null : t("users.problem.password", { count: PASSWORD_MIN })),
    },
  });
  const mayLeave = useUnsavedGuard(form.isDirty());
  const close = () => mayLeave() && onClose();
  const save = useAction({
    run: (): Promise<unknown> => {
      const { role, ...body } = form.values;
      return user ? updateUser({ ...body, id: user.id }) : createUser({ ...body, role: Number(role) });
    },
    done: t(user ? "users.saved" : "users.created"),
    refresh: [USERS],
    onDone: () => {
      form.resetDirty();
      window.setTimeout(onClose);
    },
  });
  const bound = user ? ([["GitHub", user.github_id], ["OIDC", user.oidc_id], ["LinuxDO", user.linux_do_id], ["Telegram", user.telegram_id], ["WeChat", user.wechat_id], ["E-mail", user.email]] as const).filter(([, id]) => id) : [];
  return (
    <Drawer opened onClose={close} position="right" size={480} title={t(user ? "users.edit" : "users.add")} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <form onSubmit={form.onSubmit(() => save.mutate())} noValidate>
        <Stack gap="sm">
          {save.error && <Alert color="red" role="alert">{errorText(save.error)}</Alert>}
          <TextInput label={t("users.field.username")} autoComplete="off" data-autofocus {...form.getInputProps("username")} />
          <TextInput label={t("users.field.displayName")} autoComplete="off" maxLength={20} {...form.getInputProps("display_name")} />
          <PasswordInput label={t("users.field.password")} description={user ? t("users.hint.password") : undefined} autoComplete="new-password" {...form.getInputProps("password")} />
          <Select label={t("users.field.group")} data={groups.data ?? [form.values.group]} allowDeselect={false} {...form.getInputProps("group")} />
          {!user && (self?.role ?? 0) >= Role.root && <Select label={t("users.field.role")} allowDeselect={false} data={[{ value: String(Role.user), label: t("users.role.user") }, { value: String(Role.admin), label: t("users.role.admin") }]} {...form.getInputProps("role")} />}
          {bound.map(([name, id]) => <Text key={name} size="sm"><Text span c="dimmed">{name}: </Text>{id}</Text>)}
          <Group justify="flex-end" gap="xs" mt="md">
            <Button variant="default" onClick={close}>{t("shared.action.cancel")}</Button>
            <Button type="submit" loading={save.isPending}>{t(user ? "shared.action.save" : "shared.action.create")}</Button>
          </Group>
        </Stack>
      </form>
    </Drawer>
  );
}
