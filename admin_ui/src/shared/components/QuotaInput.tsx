// An amount of quota: typed as money when the installation shows money, sent as whole units.
import { Button, Group, NumberInput } from "@mantine/core";
import type { ReactNode } from "react";
import { useFormat } from "@/shared/format/useFormat";

interface QuotaInputProps {
  label: string;
  description?: ReactNode;
  value: number; // units
  onChange: (units: number) => void;
  presets?: number[]; // USD
  min?: number; // units
  disabled?: boolean;
  error?: ReactNode;
}
export function QuotaInput({ label, description, value, onChange, presets = [], min = 0, disabled = false, error }: QuotaInputProps) {
  const format = useFormat();
  const asMoney = format.display.display_in_currency;
  return (
    <div>
      <NumberInput
        label={label}
        description={description ?? (asMoney ? undefined : `$${format.number(format.usd(value), 4)}`)}
        disabled={disabled}
        error={error}
        min={asMoney ? format.usd(min) : min}
        prefix={asMoney ? "$" : ""}
        decimalScale={asMoney ? 6 : 0}
        thousandSeparator=","
        value={asMoney ? format.usd(value) : value}
        onChange={(next) => onChange(asMoney ? format.fromUsd(Number(next) || 0) : Math.round(Number(next) || 0))}
      />
      {presets.length > 0 && (
        <Group gap={4} mt={6}>
          {presets.map((usd) => (
            <Button key={usd} size="compact-xs" variant="default" disabled={disabled} onClick={() => onChange(format.fromUsd(usd))}>
              ${usd}
            </Button>
          ))}
        </Group>
      )}
    </div>
  );
}
