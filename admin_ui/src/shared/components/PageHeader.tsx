// The head of every console page: title, one sentence, actions.
import { Box, Group, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

export function PageHeader({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }) {
  return (
    <Group justify="space-between" align="flex-end" mb="md" gap="sm">
      <Box style={{ minWidth: 0 }}>
        <Title order={1} size={22} lts="-0.015em">
          {title}
        </Title>
        {hint && (
          <Text c="dimmed" size="sm" mt={2}>
            {hint}
          </Text>
        )}
      </Box>
      <Group gap="xs" maw="100%">{children}</Group>
    </Group>
  );
}
