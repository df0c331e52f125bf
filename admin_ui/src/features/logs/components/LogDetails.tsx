// An opened log row: what was called, how it went, and the arithmetic of the charge.
import { Badge, Box, Code, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconArrowRight } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Fragment, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { readJsonObject } from "@/shared/api/json-text";
import type { LogRow } from "@/shared/api/types";
import { CopyButton } from "@/shared/components/CopyButton";
import { decimal, formatDecimal, times } from "@/shared/format/decimal";
import { useFormat } from "@/shared/format/useFormat";
import { readCharge } from "../api/charge";

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Box style={{ minWidth: 0 }}>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text size="sm" component="div" style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </Box>
  );
}

export function LogDetails({ row, isAdmin }: { row: LogRow; isAdmin: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const other = readJsonObject(row.other);
  const requestId = row.request_id ?? (typeof other["request_id"] === "string" ? other["request_id"] : "");
  const tried = ((other["admin_info"] as { use_channel?: unknown[] } | undefined)?.use_channel ?? []).map(String);
  const charge = readCharge(row, format.display.quota_per_unit);
  const perMillion = (unit: ReturnType<typeof decimal>) => `$${formatDecimal(times(unit, decimal(1_000_000 / format.display.quota_per_unit)))}`;
  return (
    <Stack gap="md" maw={1100}>
      {row.content && <Text size="sm" c={row.type === 5 ? "var(--bad)" : undefined} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{row.content}</Text>}
      <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
        {requestId && (
          <Fact label={t("logs.fact.requestId")}>
            <Group gap={2} wrap="nowrap">
              <Code style={{ overflow: "hidden", textOverflow: "ellipsis" }}>{requestId}</Code>
              <CopyButton value={requestId} size="xs" />
            </Group>
          </Fact>
        )}
        {isAdmin && row.channel > 0 && (
          <Fact label={t("logs.field.channel")}>
            <Link to={`/console/health/${row.channel}`} style={{ color: "inherit" }}>
              #{row.channel} {row.channel_name}
            </Link>
          </Fact>
        )}
        {isAdmin && tried.length > 1 && (
          <Fact label={t("logs.fact.attempts")}>
            <Group gap={4}>
              {tried.map((id, index) => (
                <Fragment key={index}>
                  {index > 0 && <IconArrowRight size={13} aria-hidden />}
                  <Badge color={index === tried.length - 1 && row.type === 2 ? "teal" : "red"}>#{id}</Badge>
                </Fragment>
              ))}
            </Group>
          </Fact>
        )}
        {typeof other["error_code"] === "string" && <Fact label={t("logs.fact.error")}>{[other["error_code"], Number(other["status_code"]) || ""].filter(Boolean).join(" · ")}</Fact>}
        {other["is_model_mapped"] === true && <Fact label={t("logs.fact.upstreamModel")}>{String(other["upstream_model_name"] ?? "")}</Fact>}
        {typeof other["reasoning_effort"] === "string" && <Fact label={t("logs.fact.reasoning")}>{other["reasoning_effort"]}</Fact>}
        {other["estimated"] === true && <Fact label={t("logs.fact.counting")}>{t("logs.fact.estimated")}</Fact>}
        {other["cut"] === true && <Fact label={t("logs.fact.ended")}>{t("logs.fact.cut")}</Fact>}
      </SimpleGrid>
      {charge && (
        <Box>
          <Text size="sm" fw={600} mb={4}>
            {t("logs.charge.title")}
          </Text>
          <Table.ScrollContainer minWidth={520} type="native">
            <Table withTableBorder withRowBorders fz="sm" className="num" bg="var(--surface-raised)">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("logs.charge.item")}</Table.Th>
                  <Table.Th ta="right">{t("logs.charge.count")}</Table.Th>
                  <Table.Th ta="right">{t("logs.charge.unit")}</Table.Th>
                  <Table.Th ta="right">{t("logs.charge.group")}</Table.Th>
                  <Table.Th ta="right">{t("logs.charge.amount")}</Table.Th>
                  <Table.Th ta="right">USD</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {charge.lines.map((line) => (
                  <Table.Tr key={line.item}>
                    <Table.Td>{t(`logs.charge.items.${line.item}`)}</Table.Td>
                    <Table.Td ta="right">{format.number(line.count)}</Table.Td>
                    <Table.Td ta="right">{line.item === "call" ? t("logs.charge.perCall", { price: `$${format.number(Number(other["model_price"]), 6)}` }) : t("logs.charge.perMillion", { price: perMillion(line.unit) })}</Table.Td>
                    <Table.Td ta="right">× {formatDecimal(charge.group)}</Table.Td>
                    <Table.Td ta="right">{formatDecimal(line.amount)}</Table.Td>
                    <Table.Td ta="right">${format.number(Number(formatDecimal(line.amount).replace(/,/g, "")) / format.display.quota_per_unit, 6)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
              <Table.Tfoot>
                <Table.Tr>
                  <Table.Th colSpan={4}>{BigInt(row.quota) === charge.rounded ? t("logs.charge.sum") : t("logs.charge.charged", { computed: format.number(Number(charge.rounded)) })}</Table.Th>
                  <Table.Th ta="right">{format.number(row.quota)}</Table.Th>
                  <Table.Th ta="right">${format.number(format.usd(row.quota), 6)}</Table.Th>
                </Table.Tr>
              </Table.Tfoot>
            </Table>
          </Table.ScrollContainer>
        </Box>
      )}
    </Stack>
  );
}
