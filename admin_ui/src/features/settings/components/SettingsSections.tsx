// The settings of a topic in its sections: short ones side by side, tables and long texts below them.
import { Card, SimpleGrid, Stack, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { OptionSpec } from "@/shared/api/types";

const isWide = (spec: OptionSpec) => ["prices", "lines"].includes(spec.kind) || spec.kind.startsWith("json") || ["Footer", "Notice", "About", "HomePageContent"].includes(spec.key);

interface SettingsSectionsProps {
  specs: OptionSpec[];
  titled: boolean; // sections of one topic; a search shows them without
  field: (spec: OptionSpec) => ReactNode;
  after?: (section: string) => ReactNode;
}
export function SettingsSections({ specs, titled, field, after }: SettingsSectionsProps) {
  const { t } = useTranslation();
  const sections = titled ? [...new Set(specs.map((spec) => spec.section))] : [""];
  return sections.map((section) => {
    const own = titled ? specs.filter((spec) => spec.section === section) : specs;
    const [wide, narrow] = [own.filter(isWide), own.filter((spec) => !isWide(spec))];
    return (
      <Card key={section} withBorder>
        {section && <Title order={2} size="h4" mb="md">{t(`settings.section.${section}`)}</Title>}
        <Stack gap="lg">
          {narrow.length > 0 && <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg" verticalSpacing="lg">{narrow.map(field)}</SimpleGrid>}
          {wide.map(field)}
          {after?.(section)}
        </Stack>
      </Card>
    );
  });
}
