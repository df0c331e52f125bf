// A JSON object as text, checked while typing.
import { Button, Group, Textarea } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { checkJsonObject } from "@/shared/api/json-text";

interface JsonFieldProps {
  label: string;
  description?: string;
  value: string;
  onChange: (value: string) => void;
  template?: Record<string, unknown>;
  error?: string | null;
}
export function JsonField({ label, description, value, onChange, template, error }: JsonFieldProps) {
  const { t } = useTranslation();
  const problem = checkJsonObject(value);
  return (
    <div>
      <Textarea
        label={label}
        {...(description ? { description } : {})}
        autosize
        minRows={2}
        maxRows={10}
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } }}
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
        error={error ?? (problem ? t(`shared.json.${problem}`) : null)}
        placeholder={template ? JSON.stringify(template) : "{}"}
      />
      <Group gap={4} mt={4}>
        {template && (
          <Button size="compact-xs" variant="subtle" onClick={() => onChange(JSON.stringify(template, null, 2))}>
            {t("shared.json.template")}
          </Button>
        )}
        {value.trim() && !problem && (
          <Button size="compact-xs" variant="subtle" color="gray" onClick={() => onChange(JSON.stringify(JSON.parse(value), null, 2))}>
            {t("shared.json.format")}
          </Button>
        )}
      </Group>
    </div>
  );
}
