// Models in use that have no price yet, priced together: by token or by call.
import { Button, Card, Group, MultiSelect, NumberInput, SegmentedControl, Text } from "@mantine/core";
import { IconTagPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { modelsInUseQuery } from "../api/options";
import { fillPrices, unpricedModels } from "../api/unpriced";

const USD_PER_RATIO = 2; // of a million prompt tokens

interface UnpricedModelsProps {
  own: (key: string) => string;
  onApply: (changes: Record<string, string>) => void;
}
export function UnpricedModels({ own, onApply }: UnpricedModelsProps) {
  const { t } = useTranslation();
  const inUse = useQuery(modelsInUseQuery);
  const [chosen, setChosen] = useState<string[]>([]);
  const [by, setBy] = useState("token");
  const [input, setInput] = useState<number | string>("");
  const [output, setOutput] = useState<number | string>("");
  const [call, setCall] = useState<number | string>("");
  const models = unpricedModels(inUse.data ?? [], own);
  if (models.length === 0) return null;
  const picked = chosen.filter((model) => models.includes(model));
  const mayApply = picked.length > 0 && (by === "call" ? call !== "" : input !== "" && (output === "" || Number(input) > 0));
  const apply = () => {
    const [prompt, completion] = [Number(input), output === "" ? null : Number(output) / Number(input)];
    onApply(fillPrices(picked, by === "call" ? { price: Number(call), ratio: null, completion: null } : { price: null, ratio: prompt / USD_PER_RATIO, completion }, own));
    setChosen([]);
  };
  return (
    <Card withBorder>
      <Text fw={600}>{t("settings.unpriced.title", { count: models.length })}</Text>
      <Text size="sm" c="dimmed" mb="sm">{t("settings.unpriced.hint")}</Text>
      <Group align="flex-end" gap="sm">
        <MultiSelect style={{ flex: 1, minWidth: 240 }} label={t("settings.unpriced.models")} data={models} searchable clearable limit={100} value={picked} onChange={setChosen} />
        <Button variant="default" onClick={() => setChosen(models)}>{t("settings.unpriced.all")}</Button>
      </Group>
      <Group align="flex-end" gap="sm" mt="sm">
        <SegmentedControl aria-label={t("settings.unpriced.by")} value={by} onChange={setBy} data={[{ value: "token", label: t("settings.unpriced.byToken") }, { value: "call", label: t("settings.unpriced.byCall") }]} />
        {by === "token" ? (
          <>
            <NumberInput w={170} label={t("settings.unpriced.input")} prefix="$" min={0} decimalScale={6} value={input} onChange={setInput} />
            <NumberInput w={170} label={t("settings.unpriced.output")} prefix="$" min={0} decimalScale={6} value={output} onChange={setOutput} />
          </>
        ) : (
          <NumberInput w={170} label={t("settings.unpriced.perCall")} prefix="$" min={0} decimalScale={6} value={call} onChange={setCall} />
        )}
        <Button leftSection={<IconTagPlus size={16} />} disabled={!mayApply} onClick={apply}>{t("settings.unpriced.apply", { count: picked.length })}</Button>
      </Group>
    </Card>
  );
}
