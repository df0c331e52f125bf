// The frame of the signed-in pages: sidebar by role, top bar, command palette, keyboard navigation.
import "../styles/full.css";
import { ActionIcon, AppShell, Avatar, Box, Burger, Button, Group, Kbd, Menu, NavLink, ScrollArea, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import { useDisclosure, useLocalStorage } from "@mantine/hooks";
import { IconLayoutSidebarLeftCollapse, IconLayoutSidebarLeftExpand, IconLogout, IconSearch, IconUserCircle } from "@tabler/icons-react";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, session } from "@/shared/api/client";
import { useSelf } from "@/shared/api/self";
import { roleName } from "@/shared/api/types";
import { useStatus } from "@/shared/api/status";
import { Logo } from "@/shared/components/Logo";
import { readChatLinks } from "@/shared/domain/chat-links";
import { useFormat } from "@/shared/format/useFormat";
import { ColorSchemeMenu } from "@/shared/components/ColorSchemeMenu";
import { LanguageMenu } from "@/shared/components/LanguageMenu";
import { visibleNavigation } from "./navigation";
import { useGoKeys } from "./useGoKeys";
import classes from "./ConsoleShell.module.css";

const CommandPalette = lazy(() => import("./CommandPalette"));
const ReauthDialog = lazy(() => import("./ReauthDialog"));
const KeyboardHelp = lazy(() => import("./KeyboardHelp"));

function isActive(pathname: string, to: string): boolean {
  return to === "/console" ? pathname === "/console" || pathname === "/console/" : pathname === to || pathname.startsWith(`${to}/`);
}

function Sidebar({ collapsed, onNavigate }: { collapsed: boolean; onNavigate: () => void }) {
  const { t } = useTranslation();
  const self = useSelf();
  const status = useStatus();
  const pathname = useRouterState({ select: (state) => state.location.pathname });
  return (
    <ScrollArea type="never" style={{ flex: 1 }} component="nav" aria-label={t("app.navLabel")}>
      {visibleNavigation(self?.role ?? 0, status).map((group) => (
        <Box key={group.id} mb="sm">
          {collapsed ? <div className={classes.rule} /> : <Text className={classes.group}>{t(`app.navGroup.${group.id}`)}</Text>}
          {group.items.map((item) => {
            const open = isActive(pathname, item.to);
            const active = item.id === "chat" ? pathname === item.to : open; // below it each client has its own link
            const link = (
              <NavLink
                key={item.id}
                component={Link}
                to={item.to}
                activeOptions={{ exact: true }}
                className={classes.link}
                active={active}
                aria-current={active ? "page" : undefined}
                aria-label={collapsed ? t(`app.nav.${item.id}`) : undefined}
                label={collapsed ? null : t(`app.nav.${item.id}`)}
                leftSection={<item.icon size={18} stroke={1.7} />}
                onClick={onNavigate}
              />
            );
            return collapsed ? (
              <Tooltip key={item.id} label={t(`app.nav.${item.id}`)} position="right">
                {link}
              </Tooltip>
            ) : item.id === "chat" && open ? (
              [link, ...readChatLinks(status?.chats).map((chat) => <ChatLink key={chat.index} name={chat.name} to={`/chat/${chat.index}`} onNavigate={onNavigate} />)]
            ) : (
              link
            );
          })}
        </Box>
      ))}
    </ScrollArea>
  );
}

/** A chat client below "Chat"; they show while that section is open, so that many do not crowd the menu. */
function ChatLink({ name, to, onNavigate }: { name: string; to: string; onNavigate: () => void }) {
  const active = useRouterState({ select: (state) => state.location.pathname === to });
  return <NavLink component={Link} to={to} activeOptions={{ exact: true }} className={classes.link} pl={40} active={active} aria-current={active ? "page" : undefined} label={name} onClick={onNavigate} />;
}

function AccountMenu() {
  const { t } = useTranslation();
  const self = useSelf();
  const format = useFormat();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const signOut = async () => {
    await api.get("/api/user/logout").catch(() => undefined); // the cookie may be gone already
    session.end();
    queries.clear();
    await navigate({ to: "/login" });
  };
  if (!self) return null;
  const name = self.display_name || self.username;
  return (
    <Menu position="bottom-end" width={220} shadow="md">
      <Menu.Target>
        <UnstyledButton className={classes.account}>
          <Avatar size={30} radius="xl" color="medusa" variant="filled" name={name} alt="" />
          <span className="visually-hidden">{t("app.account.menu", { name })}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Box px="sm" py={6}>
          <Text fw={600} size="sm" truncate>
            {name}
          </Text>
          <Text size="xs" c="dimmed">
            {t(`app.role.${roleName(self.role)}`)} · {t("app.account.balance", { amount: format.quota(self.quota) })}
          </Text>
        </Box>
        <Menu.Divider />
        <Menu.Item leftSection={<IconUserCircle size={16} />} component={Link} to="/console/personal">
          {t("app.nav.personal")}
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut()}>
          {t("app.account.signOut")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

export function ConsoleShell() {
  const { t } = useTranslation();
  const status = useStatus();
  const [opened, { toggle, close }] = useDisclosure();
  const [collapsed, setCollapsed] = useLocalStorage({ key: "medusa.sidebar", defaultValue: status?.default_collapse_sidebar ?? false, getInitialValueInEffect: false });
  const [overlay, setOverlay] = useState<"palette" | "help" | null>(null);
  const pathname = useRouterState({ select: (state) => state.location.pathname });
  useGoKeys({ onPalette: () => setOverlay("palette"), onHelp: () => setOverlay("help") });
  useEffect(() => close(), [pathname, close]);
  const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

  return (
    <AppShell layout="alt" header={{ height: 52 }} navbar={{ width: collapsed ? 64 : 228, breakpoint: "sm", collapsed: { mobile: !opened } }} padding={0}>
      <a href="#main" className="skip-link">
        {t("app.skip")}
      </a>
      <AppShell.Header className={classes.header}>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t("app.menu")} />
            <ActionIcon
              visibleFrom="sm"
              variant="subtle"
              color="gray"
              aria-label={t(collapsed ? "app.sidebar.expand" : "app.sidebar.collapse")}
              onClick={() => setCollapsed(!collapsed)}
            >
              {collapsed ? <IconLayoutSidebarLeftExpand size={19} stroke={1.7} /> : <IconLayoutSidebarLeftCollapse size={19} stroke={1.7} />}
            </ActionIcon>
            <Button
              variant="default"
              size="xs"
              c="dimmed"
              fw={400}
              className={classes.search}
              leftSection={<IconSearch size={15} />}
              rightSection={<Kbd size="xs" visibleFrom="sm">{isMac ? "⌘K" : "Ctrl K"}</Kbd>}
              onClick={() => setOverlay("palette")}
            >
              {t("app.palette.open")}
            </Button>
          </Group>
          <Group gap={6} wrap="nowrap">
            <LanguageMenu />
            <ColorSchemeMenu />
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes.navbar} p={collapsed ? 8 : 12}>
        <Group h={40} mb="sm" px={collapsed ? 8 : 6} justify="space-between" wrap="nowrap">
          <UnstyledButton component={Link} to="/" style={{ minWidth: 0 }}>
            <Logo nameShown={!collapsed || opened} size={collapsed && !opened ? 32 : 28} />
          </UnstyledButton>
          <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t("app.menu")} />
        </Group>
        <Sidebar collapsed={collapsed && !opened} onNavigate={close} />
        {!collapsed && status?.version && (
          <Text size="xs" c="dimmed" px={8} pt={6}>
            {status.version}
          </Text>
        )}
      </AppShell.Navbar>
      <AppShell.Main id="main" className={classes.main} tabIndex={-1}>
        <ModalsProvider>
          <div className={classes.page}>
            <Outlet />
          </div>
        </ModalsProvider>
        <Notifications position="top-center" limit={4} />
      </AppShell.Main>
      <Suspense fallback={null}>
        {overlay === "palette" && <CommandPalette onClose={() => setOverlay(null)} onHelp={() => setOverlay("help")} />}
        <ReauthDialog />
        {overlay === "help" && <KeyboardHelp onClose={() => setOverlay(null)} />}
      </Suspense>
    </AppShell>
  );
}
