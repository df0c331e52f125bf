// The first start: who is root, and what the installation is for.
import { Alert, Button, PasswordInput, Radio, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api } from "@/shared/api/client";
import { statusQuery } from "@/shared/api/status";
import type { SetupState } from "@/shared/api/types";
import { AuthFrame } from "@/shared/components/AuthFrame";
import { ErrorState } from "@/shared/components/ErrorState";
import { useErrorText } from "@/shared/hooks/useErrorText";

const MODES = ["external", "self", "demo"] as const;

export default function SetupPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const errorText = useErrorText();
  const search = useSearch({ strict: false }) as { token?: string };
  const state = useQuery({ queryKey: ["setup"], queryFn: ({ signal }) => api.get<SetupState>("/api/setup", { signal }), staleTime: 0 });
  const needsRoot = state.data?.root_init === false;
  const form = useForm({
    initialValues: { username: "", password: "", repeat: "", mode: "external" as string, token: search.token ?? "" },
    validateInputOnBlur: true,
    validate: {
      username: (value) => (needsRoot && (value.trim().length < 1 || value.trim().length > 12) ? t("setup.rule.username") : null),
      password: (value) => (needsRoot && new TextEncoder().encode(value).length < 8 ? t("setup.rule.password") : null),
      repeat: (value, values) => (needsRoot && value !== values.password ? t("setup.rule.repeat") : null),
    },
  });
  const submit = useMutation({
    mutationFn: () => {
      const { username, password, repeat, mode, token } = form.values;
      return api.post<null>("/api/setup", { username: username.trim(), password, confirmPassword: repeat, SelfUseModeEnabled: mode === "self", DemoSiteEnabled: mode === "demo", ...(token ? { setup_token: token } : {}) });
    },
    onSuccess: async () => {
      queries.setQueryData(statusQuery.queryKey, (status) => status && { ...status, setup: true }); // the edge learns of it within seconds
      await navigate({ to: "/login" });
    },
  });
  if (state.isPending) return <AuthFrame title={t("setup.title")}><Skeleton h={280} /></AuthFrame>;
  if (state.isError) return <AuthFrame title={t("setup.title")}><ErrorState error={state.error} onRetry={() => void state.refetch()} /></AuthFrame>;
  if (state.data.status) {
    return (
      <AuthFrame title={t("setup.doneTitle")}>
        <Stack>
          <Alert color="teal" icon={<IconCircleCheck size={18} />}>{t("setup.done")}</Alert>
          <Button component={Link} to="/login">{t("setup.toLogin")}</Button>
        </Stack>
      </AuthFrame>
    );
  }
  return (
    <AuthFrame wide title={t("setup.title")} hint={t("setup.hint")}>
      <form noValidate onSubmit={form.onSubmit(() => submit.mutate())}>
        <Stack gap="sm">
          {submit.error && <Alert color="red" role="alert">{errorText(submit.error)}</Alert>}
          {state.data.database_type === "sqlite" && <Alert color="yellow" icon={<IconAlertTriangle size={18} />}>{t("setup.sqlite")}</Alert>}
          {needsRoot ? (
            <>
              <TextInput label={t("setup.field.username")} description={t("setup.rule.username")} autoComplete="username" autoFocus {...form.getInputProps("username")} />
              <PasswordInput label={t("setup.field.password")} description={t("setup.rule.password")} autoComplete="new-password" visibilityToggleButtonProps={{ "aria-label": t("setup.field.reveal") }} {...form.getInputProps("password")} />
              <PasswordInput label={t("setup.field.repeat")} autoComplete="new-password" visibilityToggleButtonProps={{ "aria-label": t("setup.field.reveal") }} {...form.getInputProps("repeat")} />
            </>
          ) : (
            <Text size="sm" c="dimmed">{t("setup.rootExists")}</Text>
          )}
          <Radio.Group label={t("setup.field.mode")} {...form.getInputProps("mode")}>
            <Stack gap="xs" mt="xs">
              {MODES.map((mode) => (
                <Radio key={mode} value={mode} label={t(`setup.mode.${mode}`)} description={t(`setup.modeHint.${mode}`)} />
              ))}
            </Stack>
          </Radio.Group>
          <TextInput label={t("setup.field.token")} description={t("setup.tokenHint")} autoComplete="off" {...form.getInputProps("token")} />
          <Button type="submit" mt="sm" loading={submit.isPending}>{t("setup.submit")}</Button>
        </Stack>
      </form>
    </AuthFrame>
  );
}
