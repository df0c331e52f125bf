// What the colours of a heat map mean, from all answered to less than 70 % answered.
import { Group, Text } from "@mantine/core";
import classes from "./WeekHeatMap.module.css";

/** Hidden from screen readers: every cell says its own figures. */
export function HeatLegend() {
  return (
    <Group gap={6} mt="xs" justify="flex-end" aria-hidden>
      <Text size="xs" c="dimmed">100 %</Text>
      {[1, 2, 3, 4, 5].map((level) => (
        <div key={level} className={classes.cell} data-level={level} style={{ width: 14 }} />
      ))}
      <Text size="xs" c="dimmed">&lt; 70 %</Text>
    </Group>
  );
}
