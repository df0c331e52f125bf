// Which columns are shown; remembered in this browser.
import { ActionIcon, Button, Checkbox, Group, Popover, Stack, Tooltip } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

interface ColumnMenuProps {
  columns: { id: string; header: string; fixed?: boolean }[];
  visibility: Record<string, boolean>;
  onChange: (visibility: Record<string, boolean>) => void;
}
export function ColumnMenu({ columns, visibility, onChange }: ColumnMenuProps) {
  const { t } = useTranslation();
  return (
    <Popover position="bottom-end" shadow="md" withinPortal trapFocus>
      <Popover.Target>
        <Tooltip label={t("shared.table.columns")}>
          <ActionIcon variant="default" size="lg" aria-label={t("shared.table.columns")}>
            <IconColumns3 size={17} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap={8} mah={360} style={{ overflowY: "auto" }}>
          {columns.map((column) => (
            <Checkbox
              key={column.id}
              size="xs"
              label={column.header}
              disabled={column.fixed ?? false}
              checked={visibility[column.id] !== false}
              onChange={(event) => onChange({ ...visibility, [column.id]: event.currentTarget.checked })}
            />
          ))}
        </Stack>
        <Group gap="xs" mt="sm">
          <Button size="compact-xs" variant="default" onClick={() => onChange(Object.fromEntries(columns.map((column) => [column.id, true])))}>
            {t("shared.table.allColumns")}
          </Button>
          <Button size="compact-xs" variant="subtle" onClick={() => onChange({})}>
            {t("shared.table.resetColumns")}
          </Button>
        </Group>
      </Popover.Dropdown>
    </Popover>
  );
}
