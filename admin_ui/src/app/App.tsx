// Everything around the pages: theme, queries, router.
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useEffect } from "react";
import { onUnauthorized, session } from "@/shared/api/client";
import { queryClient } from "./query-client";
import { router } from "./router";
import { cssVariables, theme } from "./theme";

export function App() {
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
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
