// A question, and below it the answers side by side.
import { memo, useMemo } from "react";
import { modelsOf, type Turn } from "../api/conversation";
import { AnswerCard } from "./AnswerCard";
import { Question } from "./Question";
import type { TurnActions } from "./usePlayground";
import classes from "./Playground.module.css";

interface TurnViewProps {
  turn: Turn;
  chosen: readonly string[];
  actions: TurnActions;
  onRaw: (turn: Turn, model: string) => void;
}
export const TurnView = memo(function TurnView({ turn, chosen, actions, onRaw }: TurnViewProps) {
  const on = useMemo(
    () => ({
      ask: (model: string) => actions.askAgain(turn, model),
      stop: (model: string) => actions.stop(turn, model),
      raw: (model: string) => onRaw(turn, model),
      delete: (model: string) => actions.deleteAnswer(turn, model),
    }),
    [turn, actions, onRaw],
  );
  const busy = Object.values(turn.answers).some((answer) => answer.state === "running");
  return (
    <>
      <Question turn={turn} busy={busy} onAsk={(text) => actions.edit(turn, text)} onDelete={() => actions.deleteTurn(turn)} />
      <div className={classes.answers}>
        {modelsOf(turn, chosen).map((model) => (
          <AnswerCard key={model} model={model} answer={turn.answers[model]} onAsk={on.ask} onStop={on.stop} onRaw={on.raw} onDelete={on.delete} />
        ))}
      </div>
    </>
  );
});
