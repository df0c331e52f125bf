// A week as a heat map: one row a day, one cell an hour, coloured by success rate, empty where nothing was called.
import { Box, ScrollArea, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/shared/format/useFormat";
import { type HealthBucket, heatLevel } from "../api/health";
import { HeatLegend } from "./HeatLegend";
import classes from "./WeekHeatMap.module.css";

export function WeekHeatMap({ week }: { week: HealthBucket[] }) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const cells = new Map<string, HealthBucket>();
  for (const bucket of week) {
    const at = new Date(bucket.at * 1000);
    cells.set(`${at.toDateString()}|${at.getHours()}`, bucket);
  }
  const days = Array.from({ length: 7 }, (_, index) => new Date(Date.now() - (6 - index) * 86_400_000));
  return (
    <Box>
      <ScrollArea viewportProps={{ tabIndex: 0, role: "region", "aria-label": t("health.week.title") }}>
        <table className={classes.grid} aria-label={t("health.week.title")}>
          <thead>
            <tr>
              <td />
              {Array.from({ length: 24 }, (_, hour) => (
                <th key={hour} scope="col">
                  {hour % 3 === 0 ? hour : <span className="visually-hidden">{hour}</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {days.map((day) => (
              <tr key={day.toDateString()}>
                <th scope="row">{day.toLocaleDateString(i18n.language, { weekday: "short", day: "numeric" })}</th>
                {Array.from({ length: 24 }, (_, hour) => {
                  const bucket = cells.get(`${day.toDateString()}|${hour}`);
                  const words = bucket && bucket.calls > 0 ? t("health.week.cell", { rate: format.percent(1 - bucket.failures / bucket.calls), calls: format.number(bucket.calls) }) : t("health.week.none");
                  return (
                    <td key={hour}>
                      <Tooltip label={`${hour}:00 · ${words}`} openDelay={0}>
                        <div className={classes.cell} data-level={heatLevel(bucket?.calls ?? 0, bucket?.failures ?? 0)}>
                          <span className="visually-hidden">{words}</span>
                        </div>
                      </Tooltip>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
      <HeatLegend />
    </Box>
  );
}
