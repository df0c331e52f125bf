// Priority and weight are edited in the row: saved on Enter or when the field is left, taken back when the server refuses.
import { NumberInput } from "@mantine/core";
import { useEffect, useState } from "react";

interface InlineNumberProps {
  value: number;
  label: string;
  min?: number;
  onSave: (value: number) => void;
}
export function InlineNumber({ value, label, min, onSave }: InlineNumberProps) {
  const [text, setText] = useState<number | string>(value);
  useEffect(() => setText(value), [value]);
  const save = () => {
    const next = Number(text);
    if (text === "" || !Number.isInteger(next)) setText(value);
    else if (next !== value) onSave(next);
  };
  return (
    <NumberInput
      size="xs"
      w={64}
      aria-label={label}
      allowDecimal={false}
      {...(min === undefined ? {} : { min })}
      value={text}
      onChange={setText}
      onBlur={save}
      onKeyDown={(event) => {
        if (event.key === "Enter") event.currentTarget.blur();
        if (event.key === "Escape") setText(value);
      }}
    />
  );
}
