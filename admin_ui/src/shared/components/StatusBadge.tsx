// A state as icon and text, never by colour alone.
import { Badge, Tooltip } from "@mantine/core";
import type { Icon } from "@tabler/icons-react";

interface StatusBadgeProps {
  label: string;
  color: string;
  icon: Icon;
  hint?: string;
}
export function StatusBadge({ label, color, icon: IconOf, hint }: StatusBadgeProps) {
  const badge = (
    <Badge color={color} leftSection={<IconOf size={13} stroke={2} aria-hidden />} tabIndex={hint ? 0 : undefined}>
      {label}
    </Badge>
  );
  return hint ? (
    <Tooltip label={hint} multiline maw={320}>
      {badge}
    </Tooltip>
  ) : (
    badge
  );
}
