// About this installation: the operator's text, or what runs here.
import { Card, Container, Table, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import { useFormat } from "@/shared/format/useFormat";
import { OperatorPage } from "../components/OperatorPage";

function Facts() {
  const { t } = useTranslation();
  const status = useStatus();
  const format = useFormat();
  const facts: [string, string][] = status
    ? [
        [t("home.fact.name"), status.system_name],
        [t("home.fact.version"), status.version],
        [t("home.fact.started"), format.time(status.start_time)],
      ]
    : [];
  return (
    <Container size="sm" py="xl">
      <Title order={1} size={26} mb="md">{t("home.about")}</Title>
      <Card>
        <Table variant="vertical" withRowBorders={false}>
          <Table.Tbody>
            {facts.map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th w={180}>{name}</Table.Th>
                <Table.Td>{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
    </Container>
  );
}

export default function AboutPage() {
  const { t } = useTranslation();
  return <OperatorPage path="/api/about" title={t("home.about")} fallback={<Facts />} />;
}
