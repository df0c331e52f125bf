// One model's answer: thoughts folded away, text as it arrives, what went wrong and what helps, figures, actions.
import { ActionIcon, Card, Group, Loader, Text, Tooltip } from "@mantine/core";
import { IconBraces, IconPlayerStop, IconRefresh, IconTrash } from "@tabler/icons-react";
import { memo } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/shared/components/CopyButton";
import { Markdown } from "@/shared/components/Markdown";
import type { Answer } from "../api/conversation";
import { AnswerFigures } from "./AnswerFigures";
import { FailureNote } from "./FailureNote";
import { Thoughts } from "./Thoughts";
import classes from "./Playground.module.css";

interface AnswerCardProps {
  model: string;
  answer: Answer | undefined; // none: the model was not asked, or its answer was deleted
  onAsk: (model: string) => void;
  onStop: (model: string) => void;
  onRaw: ((model: string) => void) | undefined;
  onDelete: (model: string) => void;
}
export const AnswerCard = memo(function AnswerCard({ model, answer, onAsk, onStop, onRaw, onDelete }: AnswerCardProps) {
  const { t } = useTranslation();
  const running = answer?.state === "running";
  return (
    <Card p="sm" className={classes.answer} component="article" aria-label={t("playground.answerOf", { model })}>
      <Group justify="space-between" wrap="nowrap" mb={6} gap="xs">
        <Text fw={600} size="xs" c="dimmed" truncate>{model}</Text>
        {running && <Loader size={14} aria-label={t("playground.answering")} />}
      </Group>
      <div className={classes.answerBody} aria-live="polite" aria-busy={running}>
        {answer?.thinking && <Thoughts text={answer.thinking} running={running && !answer.text} />}
        {answer?.text && <Markdown text={answer.text} />}
        {answer?.state === "stopped" && <Text size="xs" c="dimmed" mt={6}>{t("playground.stopped")}</Text>}
        {answer?.finish === "length" && <Text size="xs" c="orange" mt={6}>{t("playground.cutShort")}</Text>}
        {answer?.finish === "content_filter" && <Text size="xs" c="orange" mt={6}>{t("playground.filtered")}</Text>}
        {answer?.state === "done" && !answer.text && <Text size="sm" c="dimmed">{t("playground.empty")}</Text>}
        {answer?.failure && <FailureNote failure={answer.failure} requestId={answer.requestId} />}
      </div>
      <Group justify="space-between" align="flex-end" mt="xs" gap="xs" wrap="nowrap">
        {answer ? <AnswerFigures answer={answer} /> : <span />}
        <Group gap={2} wrap="nowrap">
          {running ? (
            <Tooltip label={t("playground.stop")}>
              <ActionIcon size="sm" variant="subtle" color="red" aria-label={t("playground.stopOf", { model })} onClick={() => onStop(model)}><IconPlayerStop size={15} /></ActionIcon>
            </Tooltip>
          ) : (
            <>
              {answer?.text && <CopyButton value={answer.text} label={t("playground.copyAnswerOf", { model })} />}
              <Tooltip label={t("playground.again")}>
                <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("playground.againOf", { model })} onClick={() => onAsk(model)}><IconRefresh size={15} /></ActionIcon>
              </Tooltip>
            </>
          )}
          {onRaw && (
            <Tooltip label={t("playground.raw.open")}>
              <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("playground.raw.openOf", { model })} onClick={() => onRaw(model)}><IconBraces size={15} /></ActionIcon>
            </Tooltip>
          )}
          {answer && (
            <Tooltip label={t("playground.deleteAnswer")}>
              <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("playground.deleteAnswerOf", { model })} onClick={() => onDelete(model)}><IconTrash size={15} /></ActionIcon>
            </Tooltip>
          )}
        </Group>
      </Group>
    </Card>
  );
});
