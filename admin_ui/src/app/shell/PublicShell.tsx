// The frame of the visitor's pages: name, links, footer.
import "../styles/full.css";
import { ActionIcon, Anchor, Box, Button, Container, Group, Menu, Text } from "@mantine/core";
import { IconMenu2 } from "@tabler/icons-react";
import { Link, Outlet } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { selfQuery } from "@/shared/api/self";
import { useStatus } from "@/shared/api/status";
import { Logo } from "@/shared/components/Logo";
import { SafeHtml } from "@/shared/components/SafeHtml";
import { ColorSchemeMenu } from "@/shared/components/ColorSchemeMenu";
import { LanguageMenu } from "@/shared/components/LanguageMenu";
import classes from "./PublicShell.module.css";

export function PublicShell() {
  const { t } = useTranslation();
  const status = useStatus();
  const self = useQuery(selfQuery);
  const links = [
    { to: "/pricing", label: t("app.public.pricing") },
    { to: "/about", label: t("app.public.about") },
  ];
  const mayRegister = !status?.self_use_mode_enabled && status?.register_enabled !== false;
  return (
    <Box className={classes.frame}>
      <header className={classes.header}>
        <Container size="xl" h="100%">
          <Group h="100%" justify="space-between" wrap="nowrap">
            <Group gap="xl" wrap="nowrap" style={{ minWidth: 0 }}>
              <Link to="/" className={classes.plain}>
                <Logo />
              </Link>
              <Group component="nav" aria-label={t("app.navLabel")} gap="lg" visibleFrom="sm">
                {links.map((link) => (
                  <Link key={link.to} to={link.to} className={classes.link}>
                    {link.label}
                  </Link>
                ))}
                {status?.docs_link && (
                  <Anchor href={status.docs_link} target="_blank" rel="noreferrer" className={classes.link} underline="never">
                    {t("app.public.docs")}
                  </Anchor>
                )}
              </Group>
            </Group>
            <Group gap={6} wrap="nowrap">
              <LanguageMenu />
              <ColorSchemeMenu />
              {self.data ? (
                <Button component={Link} to="/console" size="xs">
                  {t("app.public.console")}
                </Button>
              ) : (
                <>
                  <Button component={Link} to="/login" size="xs" variant="default">
                    {t("app.public.logIn")}
                  </Button>
                  {mayRegister && (
                    <Button component={Link} to="/register" size="xs" visibleFrom="xs">
                      {t("app.public.register")}
                    </Button>
                  )}
                </>
              )}
              <Menu position="bottom-end" shadow="md">
                <Menu.Target>
                  <ActionIcon hiddenFrom="sm" variant="subtle" color="gray" size="lg" aria-label={t("app.menu")}>
                    <IconMenu2 size={18} />
                  </ActionIcon>
                </Menu.Target>
                <Menu.Dropdown>
                  {links.map((link) => (
                    <Menu.Item key={link.to} component={Link} to={link.to}>
                      {link.label}
                    </Menu.Item>
                  ))}
                </Menu.Dropdown>
              </Menu>
            </Group>
          </Group>
        </Container>
      </header>
      <main id="main" className={classes.main}>
        <Outlet />
      </main>
      <footer className={classes.footer}>
        <Container size="xl">
          {status?.footer_html ? (
            <SafeHtml html={status.footer_html} />
          ) : (
            <Text size="xs" c="dimmed">
              {status?.system_name || "MedusaXD API"} {status?.version}
            </Text>
          )}
        </Container>
      </footer>
    </Box>
  );
}
