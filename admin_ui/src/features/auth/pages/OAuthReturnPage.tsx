// Where a third-party provider sends the visitor back: finish the sign-in or the binding.
import { Button, Center, Loader, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { session } from "@/shared/api/client";
import { bindTelegram, logInWithTelegram, readTelegramAnswer } from "@/shared/api/providers";
import type { LoginReply } from "@/shared/api/types";
import { finishOAuth, WANTED } from "../api/auth";
import { AuthFrame } from "@/shared/components/AuthFrame";
import { FormError } from "../components/FormError";
import { useSignedIn } from "../components/useSignedIn";

/** null: an account was bound. */
async function finish(provider: string, search: Record<string, string>): Promise<LoginReply | null> {
  if (provider !== "telegram") return (await finishOAuth(provider, search)) ?? null;
  const told = readTelegramAnswer(window.location.hash);
  if (!told) throw new Error("Telegram");
  if (session.userId() === null) return logInWithTelegram(told);
  await bindTelegram(told);
  return null;
}

export default function OAuthReturnPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { provider = "" } = useParams({ strict: false }) as { provider?: string };
  const search = useSearch({ strict: false }) as Record<string, string>;
  const signedIn = useSignedIn(sessionStorage.getItem(WANTED) ?? undefined);
  const reply = useQuery({
    queryKey: ["oauth", provider, search["code"]],
    queryFn: () => finish(provider, search),
    retry: false,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  useEffect(() => {
    if (!reply.isSuccess) return;
    sessionStorage.removeItem(WANTED);
    if (reply.data) void signedIn(reply.data);
    else void navigate({ to: "/console/personal", replace: true });
    // runs once, when the reply arrives
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [reply.isSuccess]);
  return (
    <AuthFrame title={t("auth.oauth.title")}>
      {reply.isError ? (
        <Stack gap="sm">
          <FormError error={reply.error} />
          <Button component={Link} to="/login">
            {t("auth.reset.back")}
          </Button>
        </Stack>
      ) : (
        <Center py="lg">
          <Stack align="center">
            <Loader size="sm" />
            <Text size="sm" c="dimmed">
              {t("auth.oauth.waiting")}
            </Text>
          </Stack>
        </Center>
      )}
    </AuthFrame>
  );
}
