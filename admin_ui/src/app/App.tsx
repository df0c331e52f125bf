// Everything around the pages: theme, queries, dialogs, notifications, router.
import { MantineProvider } from "@mantine/core";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { onUnauthorized, session } from "@/shared/api/client";
import { queryClient } from "./query-client";
import { router } from "./router";
import { theme } from "./theme";

export function App() {
  const { t } = useTranslation();
  useEffect(
    () =>
      onUnauthorized(() => {
        session.end();
        queryClient.setQueryData(["self"], null);
        const here = router.state.location;
        if (here.pathname.startsWith("/console")) {
          void router.navigate({ to: "/login", search: { expired: "true", redirect: here.href } as never });
        }
      }),
    [],
  );
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <QueryClientProvider client={queryClient}>
        <ModalsProvider labels={{ confirm: t("shared.action.confirm"), cancel: t("shared.action.cancel") }}>
          <Notifications position="top-center" limit={4} />
          <RouterProvider router={router} />
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}
