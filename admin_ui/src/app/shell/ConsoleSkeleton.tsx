// Shown while the frame loads.
import { Group, Skeleton, Stack } from "@mantine/core";

export function ConsoleSkeleton() {
  return (
    <Group align="stretch" gap="lg" p="md" wrap="nowrap" aria-busy="true">
      <Stack w={204} visibleFrom="sm">
        <Skeleton h={32} mb="md" />
        {Array.from({ length: 8 }, (_, index) => (
          <Skeleton key={index} h={26} />
        ))}
      </Stack>
      <Stack style={{ flex: 1 }}>
        <Skeleton h={32} w={240} />
        <Skeleton h={96} />
        <Skeleton h={360} />
      </Stack>
    </Group>
  );
}
