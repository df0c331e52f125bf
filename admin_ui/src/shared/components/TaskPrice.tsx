// What a task has cost; a charge that was given back is crossed out and says so.
import { Badge, Group, Text } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { useFormat } from "@/shared/format/useFormat";

export function TaskPrice({ quota, refunded, label }: { quota: number; refunded: boolean; label: string }) {
  const format = useFormat();
  if (!quota) return <Text size="sm" c="dimmed">–</Text>;
  if (!refunded) return <Text size="sm" className="num">{format.quota(quota, 4)}</Text>;
  return (
    <Group gap={6} justify="flex-end" wrap="nowrap">
      <Text size="sm" td="line-through" c="dimmed" className="num">{format.quota(quota, 4)}</Text>
      <Badge color="teal" variant="light" size="sm" leftSection={<IconArrowBackUp size={12} aria-hidden />}>{label}</Badge>
    </Group>
  );
}
