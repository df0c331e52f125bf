// The frame of the pages before sign-in: name, card, language and colour scheme.
import { Box, Card, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Logo } from "./Logo";
import { FrameSwitches } from "./FrameSwitches";
import classes from "./AuthFrame.module.css";

interface AuthFrameProps {
  title: string;
  hint?: string;
  children: ReactNode;
  footer?: ReactNode;
  wide?: boolean;
}
export function AuthFrame({ title, hint, children, footer, wide = false }: AuthFrameProps) {
  return (
    <Box className={classes.frame}>
      <Group component="header" justify="space-between" p="md" wrap="nowrap">
        <Link to="/" className={classes.home}>
          <Logo />
        </Link>
        <Group gap={4} wrap="nowrap">
          <FrameSwitches />
        </Group>
      </Group>
      <main className={classes.main}>
        <Stack gap="md" w="100%" maw={wide ? 640 : 400}>
          <Card p={{ base: "lg", xs: "xl" }} className={classes.card}>
            <Title order={1} size={22} lts="-0.02em">
              {title}
            </Title>
            {hint && (
              <Text c="dimmed" size="sm" mt={4}>
                {hint}
              </Text>
            )}
            <Box mt="lg">{children}</Box>
          </Card>
          {footer}
        </Stack>
      </main>
    </Box>
  );
}
