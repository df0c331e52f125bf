// Any range of days; loaded only when somebody wants one.
import { DatePickerInput } from "@mantine/dates";
import "@mantine/dates/styles.layer.css";
import { useState } from "react";
import { useTranslation } from "react-i18next";

export default function CustomRange({ from, to, onChange }: { from: string; to: string; onChange: (from: string, to: string) => void }) {
  const { t } = useTranslation();
  const [value, setValue] = useState<[string | null, string | null]>([from || null, to || null]);
  return (
    <DatePickerInput
      type="range"
      w={230}
      valueFormat="YYYY-MM-DD"
      aria-label={t("dashboard.custom")}
      placeholder={t("dashboard.custom")}
      maxDate={new Date()}
      value={value}
      onChange={(next) => {
        const [start, end] = next as [string | null, string | null];
        setValue([start, end]);
        if (start && end) onChange(start, end);
      }}
    />
  );
}
