// A search box that waits until typing (also by input method) pauses; "/" focuses it.
import { CloseButton, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

interface SearchInputProps {
  value: string;
  onChange: (value: string) => void;
  label: string; // accessible name and placeholder
  w?: number | string;
}
export function SearchInput({ value, onChange, label, w = 240 }: SearchInputProps) {
  const { t } = useTranslation();
  const [text, setText] = useState(value);
  const composing = useRef(false);
  useEffect(() => setText(value), [value]);
  const emit = useDebouncedCallback((next: string) => {
    if (!composing.current) onChange(next.trim());
  }, 300);
  return (
    <TextInput
      w={{ base: "100%", xs: w }}
      size="sm"
      type="search"
      data-page-search
      aria-label={label}
      placeholder={label}
      leftSection={<IconSearch size={16} />}
      rightSection={text ? <CloseButton size="sm" aria-label={t("shared.action.clear")} onClick={() => { setText(""); onChange(""); }} /> : null}
      value={text}
      onCompositionStart={() => (composing.current = true)}
      onCompositionEnd={(event) => {
        composing.current = false;
        emit(event.currentTarget.value);
      }}
      onChange={(event) => {
        setText(event.currentTarget.value);
        emit(event.currentTarget.value);
      }}
    />
  );
}
