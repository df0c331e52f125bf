// The playground's doings: ask, ask again, edit, delete. The actions stay the same between renders, so that finished turns are not painted again.
import { useMemo, useRef } from "react";
import { addTurn, type Attachment, type Conversation, newTurn, removeAnswer, removeTurn, replaceTurn, settled, type Turn } from "../api/conversation";
import type { Parameters } from "../api/parameters";
import { requestBody } from "../api/request";
import { useAnswers } from "./useAnswers";
import { useConversations } from "./useConversations";

export interface TurnActions {
  askAgain: (turn: Turn, model: string) => void;
  edit: (turn: Turn, text: string) => void;
  stop: (turn: Turn, model: string) => void;
  deleteTurn: (turn: Turn) => void;
  deleteAnswer: (turn: Turn, model: string) => void;
}

export function usePlayground(userId: number, chosen: readonly string[], parameters: Parameters) {
  const conversations = useConversations(userId);
  const { current, change } = conversations;
  const answers = useAnswers(change);

  const askAll = (before: readonly Turn[], turn: Turn, models: readonly string[]) => {
    for (const model of models) void answers.ask(turn.id, requestBody([...before, turn], model, parameters), parameters.group);
  };
  const upTo = (turn: Turn): Turn[] => current.turns.slice(0, current.turns.findIndex((one) => one.id === turn.id));
  const forget = (turns: readonly Turn[]) => turns.forEach((turn) => Object.keys(turn.answers).forEach((model) => answers.forget(turn.id, model)));

  const send = (text: string, attachments: Attachment[]) => {
    const turn = newTurn(text, attachments);
    change((conversation) => addTurn(conversation, turn));
    askAll(current.turns, turn, chosen);
  };
  const doings: TurnActions = {
    askAgain: (turn, model) => askAll(upTo(turn), turn, [model]),
    edit: (turn, text) => {
      const before = upTo(turn);
      forget(current.turns.slice(before.length));
      const next = newTurn(text, turn.attachments);
      change((conversation) => replaceTurn(conversation, turn.id, next));
      askAll(before, next, chosen);
    },
    stop: (turn, model) => answers.stop(turn.id, model),
    deleteTurn: (turn) => {
      forget([turn]);
      change((conversation) => removeTurn(conversation, turn.id));
    },
    deleteAnswer: (turn, model) => {
      answers.forget(turn.id, model);
      change((conversation) => removeAnswer(conversation, turn.id, model));
    },
  };
  const latest = useRef(doings);
  latest.current = doings;
  const actions = useMemo<TurnActions>(
    () => ({
      askAgain: (turn, model) => latest.current.askAgain(turn, model),
      edit: (turn, text) => latest.current.edit(turn, text),
      stop: (turn, model) => latest.current.stop(turn, model),
      deleteTurn: (turn) => latest.current.deleteTurn(turn),
      deleteAnswer: (turn, model) => latest.current.deleteAnswer(turn, model),
    }),
    [],
  );

  /** Whatever runs belongs to the conversation that is left. */
  const leave = () => {
    forget(current.turns);
    change(settled);
  };
  return {
    conversations: {
      ...conversations,
      show: (conversation: Conversation) => {
        leave();
        conversations.show(conversation);
      },
      start: () => {
        leave();
        conversations.start();
      },
      clear: () => {
        forget(current.turns);
        conversations.clear();
      },
    },
    current,
    send,
    actions,
    stopAll: answers.stopAll,
    exchangeOf: answers.exchangeOf,
    /** The body that would be sent now, for the code and for a look at it. */
    draft: (model: string, text: string, attachments: Attachment[]) => {
      const asks = text.trim() || attachments.length > 0;
      const turns = asks ? [...current.turns, newTurn(text.trim(), attachments)] : current.turns;
      return requestBody(turns, model, parameters);
    },
  };
}
