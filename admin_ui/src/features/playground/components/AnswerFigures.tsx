// Tokens, times and cost of an answer; what was not reported is left out.
import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/shared/format/useFormat";
import type { Answer } from "../api/conversation";

const COST_DIGITS = 6; // as in the log

export function AnswerFigures({ answer: { usage, firstMs, totalMs, charge } }: { answer: Answer }) {
  const { t } = useTranslation();
  const format = useFormat();
  const speakingMs = totalMs !== null && firstMs !== null ? totalMs - firstMs : 0;
  const perSecond = usage && speakingMs > 500 ? (usage.completion_tokens / speakingMs) * 1000 : null; // shorter ones came in one piece
  const figures = [
    firstMs !== null && t("playground.first", { time: format.ms(firstMs) }),
    totalMs !== null && t("playground.total", { time: format.ms(totalMs) }),
    usage && t("playground.tokens", { prompt: format.number(usage.prompt_tokens), completion: format.number(usage.completion_tokens) }),
    usage && usage.cached_tokens > 0 && t("playground.cached", { count: usage.cached_tokens, shown: format.number(usage.cached_tokens) }),
    usage && usage.reasoning_tokens > 0 && t("playground.reasoned", { count: usage.reasoning_tokens, shown: format.number(usage.reasoning_tokens) }),
    perSecond !== null && t("playground.speed", { speed: format.number(perSecond, 1) }),
    charge !== null && t("playground.cost", { amount: format.quota(charge, COST_DIGITS) }),
  ];
  return <Text size="xs" c="dimmed" className="num">{figures.filter(Boolean).join("\u00a0· ")}</Text>;
}
