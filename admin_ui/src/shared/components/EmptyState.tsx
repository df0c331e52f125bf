// Nothing here (yet): says why, and offers the next step.
import { Stack, Text, ThemeIcon } from "@mantine/core";
import { IconInbox, type Icon } from "@tabler/icons-react";
import type { ReactNode } from "react";

interface EmptyStateProps {
  message: string;
  hint?: string;
  icon?: Icon;
  action?: ReactNode;
  heading?: boolean; // it is the whole page: the message is its heading
}
export function EmptyState({ message, hint, icon: IconOf = IconInbox, action, heading }: EmptyStateProps) {
  return (
    <Stack align="center" gap={6} py={48} px="md">
      <ThemeIcon size={52} radius="xl" variant="light" color="gray">
        <IconOf size={26} stroke={1.5} />
      </ThemeIcon>
      <Text fw={600} m={0} mt={6} ta="center" {...(heading ? { component: "h1" as const } : {})}>
        {message}
      </Text>
      {hint && (
        <Text c="dimmed" size="sm" ta="center" maw={460}>
          {hint}
        </Text>
      )}
      {action && <div style={{ marginTop: 10 }}>{action}</div>}
    </Stack>
  );
}
