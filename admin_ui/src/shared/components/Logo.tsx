// The installation's logo (ours when the operator set none) and name.
import { Group, Text } from "@mantine/core";
import { useStatus } from "@/shared/api/status";

export function Logo({ size = 28, nameShown = true }: { size?: number; nameShown?: boolean }) {
  const status = useStatus();
  const name = status?.system_name || "MedusaXD API";
  return (
    <Group gap={10} wrap="nowrap">
      <img src={status?.logo || "/logo.svg"} alt={nameShown ? "" : name} width={size} height={size} style={{ borderRadius: 8 }} />
      {nameShown && (
        <Text fw={700} size="md" lts="-0.01em" truncate>
          {name}
        </Text>
      )}
    </Group>
  );
}
