// Every route of the UI: which page, which texts it needs, who may see it. A page is loaded when its route is entered.
import { createRootRoute, createRoute, createRouter, type ErrorComponentProps, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";
import type { ComponentType } from "react";
import { loadTexts } from "@/locales";
import { api } from "@/shared/api/client";
import { selfQuery } from "@/shared/api/self";
import { statusQuery } from "@/shared/api/status";
import { Role, type SetupState } from "@/shared/api/types";
import { ErrorState } from "@/shared/components/ErrorState";
import { NotFound } from "@/shared/components/NotFound";
import { queryClient } from "./query-client";
import { ConsoleSkeleton } from "./shell/ConsoleSkeleton";

type PageModule = { default: ComponentType };
interface Page {
  path: string;
  texts: string[]; // features whose texts the page shows
  load: () => Promise<PageModule>;
}
interface ConsolePage extends Page {
  role?: number; // lowest role that may enter; default: any signed-in user
}

const PUBLIC_PAGES: Page[] = [
  { path: "/", texts: ["home"], load: () => import("@/features/home/pages/HomePage") },
  { path: "/about", texts: ["home"], load: () => import("@/features/home/pages/AboutPage") },
  { path: "/pricing", texts: ["pricing"], load: () => import("@/features/pricing/pages/PricingPage") },
];
const BARE_PAGES: Page[] = [
  { path: "/login", texts: ["auth"], load: () => import("@/features/auth/pages/LoginPage") },
  { path: "/register", texts: ["auth"], load: () => import("@/features/auth/pages/RegisterPage") },
  { path: "/reset", texts: ["auth"], load: () => import("@/features/auth/pages/ResetPage") },
  { path: "/user/reset", texts: ["auth"], load: () => import("@/features/auth/pages/ResetConfirmPage") },
  { path: "/oauth/$provider", texts: ["auth"], load: () => import("@/features/auth/pages/OAuthReturnPage") },
  { path: "/setup", texts: ["setup"], load: () => import("@/features/setup/pages/SetupPage") },
];
const CONSOLE_PAGES: ConsolePage[] = [
  { path: "/console", texts: ["dashboard"], load: () => import("@/features/dashboard/pages/DashboardPage") },
  { path: "/console/health", texts: ["health"], role: Role.admin, load: () => import("@/features/health/pages/HealthPage") },
  { path: "/console/health/$channelId", texts: ["health"], role: Role.admin, load: () => import("@/features/health/pages/ChannelHealthPage") },
  { path: "/console/channels", texts: ["channels"], role: Role.admin, load: () => import("@/features/channels/pages/ChannelsPage") },
  { path: "/console/tokens", texts: ["tokens"], load: () => import("@/features/tokens/pages/TokensPage") },
  { path: "/console/logs", texts: ["logs"], load: () => import("@/features/logs/pages/LogsPage") },
  { path: "/console/users", texts: ["users"], role: Role.admin, load: () => import("@/features/users/pages/UsersPage") },
  { path: "/console/redemptions", texts: ["redemptions"], role: Role.admin, load: () => import("@/features/redemptions/pages/RedemptionsPage") },
  { path: "/console/topup", texts: ["topup"], load: () => import("@/features/topup/pages/TopUpPage") },
  { path: "/console/midjourney", texts: ["midjourney"], load: () => import("@/features/midjourney/pages/MidjourneyPage") },
  { path: "/console/tasks", texts: ["tasks"], load: () => import("@/features/tasks/pages/TasksPage") },
  { path: "/console/playground", texts: ["playground"], load: () => import("@/features/playground/pages/PlaygroundPage") },
  { path: "/console/operations", texts: ["operations"], role: Role.root, load: () => import("@/features/operations/pages/OperationsPage") },
  { path: "/console/settings", texts: ["settings"], role: Role.root, load: () => import("@/features/settings/pages/SettingsPage") },
  { path: "/console/personal", texts: ["personal"], load: () => import("@/features/personal/pages/PersonalPage") },
  { path: "/chat", texts: ["chat"], load: () => import("@/features/chat/pages/ChatPage") },
  { path: "/chat/$chatId", texts: ["chat"], load: () => import("@/features/chat/pages/ChatPage") },
  { path: "/chat2link", texts: ["chat"], load: () => import("@/features/chat/pages/ChatLinkPage") },
];

/** The status of an edge may be seconds old; the set-up state is read from the database. */
async function isSetUp(): Promise<boolean> {
  const state = await api.get<SetupState>("/api/setup").catch(() => undefined);
  if (!state?.status) return false;
  queryClient.setQueryData(statusQuery.queryKey, (status) => status && { ...status, setup: true });
  return true;
}

const rootRoute = createRootRoute({
  component: Outlet,
  notFoundComponent: NotFound,
  beforeLoad: async ({ location }) => {
    const status = await queryClient.ensureQueryData(statusQuery).catch(() => undefined); // pages show the failure themselves
    if (status) document.title = status.system_name || "MedusaXD API";
    if (status?.setup === false && location.pathname !== "/setup" && !(await isSetUp())) throw redirect({ to: "/setup" });
  },
});

const publicLayout = createRoute({
  getParentRoute: () => rootRoute,
  id: "public",
  component: lazyRouteComponent(() => import("./shell/PublicShell"), "PublicShell"),
});

const consoleLayout = createRoute({
  getParentRoute: () => rootRoute,
  id: "console-shell",
  component: lazyRouteComponent(() => import("./shell/ConsoleShell"), "ConsoleShell"),
  pendingComponent: ConsoleSkeleton,
  beforeLoad: async ({ location }) => {
    const self = await queryClient.ensureQueryData(selfQuery);
    if (self === null) throw redirect({ to: "/login", search: { redirect: location.href } as never });
  },
});

const pageRoutes = <L extends typeof publicLayout | typeof consoleLayout | typeof rootRoute>(layout: L, pages: ConsolePage[]) =>
  pages.map((page) =>
    createRoute({
      getParentRoute: () => layout as typeof rootRoute,
      path: page.path,
      component: lazyRouteComponent(page.load),
      loader: () => loadTexts(...page.texts),
      beforeLoad: async () => {
        if (page.role === undefined) return;
        const self = await queryClient.ensureQueryData(selfQuery);
        if ((self?.role ?? 0) < page.role) throw redirect({ to: "/console" });
      },
    }),
  );

/** "?a=1&b=x" ↔ {a: "1", b: "x"}: plain text, no JSON quoting, so that addresses stay readable. */
const parseSearch = (text: string): Record<string, unknown> => Object.fromEntries(new URLSearchParams(text));
const stringifySearch = (search: Record<string, unknown>): string => {
  const entries = Object.entries(search).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
};

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    publicLayout.addChildren(pageRoutes(publicLayout, PUBLIC_PAGES)),
    consoleLayout.addChildren(pageRoutes(consoleLayout, CONSOLE_PAGES)),
    ...pageRoutes(rootRoute, BARE_PAGES),
  ]),
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultPendingMs: 200,
  defaultErrorComponent: ({ error, reset }: ErrorComponentProps) => <ErrorState error={error} onRetry={reset} />,
  scrollRestoration: true,
});
