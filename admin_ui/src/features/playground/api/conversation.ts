// A conversation with several models: turns of one question and one answer from each model. Values only; an edit returns a new one.
import type { Failure } from "./failure";

export interface Attachment {
  kind: "image" | "document" | "text";
  name: string;
  data: string; // a data: URL; of a text the text itself; "" = no longer kept
}
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
}
export interface Answer {
  state: "running" | "done" | "stopped" | "failed";
  text: string;
  thinking: string;
  requestId: string;
  firstMs: number | null; // to the first piece of text or thought
  totalMs: number | null;
  usage: Usage | null; // null = not reported
  finish: string; // why the model stopped; "" = not told
  charge: number | null; // quota units; null = not known (yet)
  failure: Failure | null;
}
export interface Turn {
  id: string;
  text: string;
  attachments: Attachment[];
  answers: Record<string, Answer>; // by model
}
export interface Conversation {
  id: string;
  changed: number; // Unix ms
  turns: Turn[];
}

/** Not crypto.randomUUID: that is missing where a gateway is reached by plain HTTP. */
export const newId = (): string => Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
export const newConversation = (): Conversation => ({ id: newId(), changed: Date.now(), turns: [] });
export const newTurn = (text: string, attachments: Attachment[]): Turn => ({ id: newId(), text, attachments, answers: {} });
export const newAnswer = (): Answer => ({ state: "running", text: "", thinking: "", requestId: "", firstMs: null, totalMs: null, usage: null, finish: "", charge: null, failure: null });

const withTurns = (conversation: Conversation, turns: Turn[]): Conversation => ({ ...conversation, changed: Date.now(), turns });

export const addTurn = (conversation: Conversation, turn: Turn): Conversation => withTurns(conversation, [...conversation.turns, turn]);
export const removeTurn = (conversation: Conversation, turnId: string): Conversation => withTurns(conversation, conversation.turns.filter((turn) => turn.id !== turnId));

/** Ask something else at this place: what came after it answered the old question, and goes. */
export function replaceTurn(conversation: Conversation, turnId: string, turn: Turn): Conversation {
  const at = conversation.turns.findIndex((one) => one.id === turnId);
  return withTurns(conversation, at === -1 ? conversation.turns : [...conversation.turns.slice(0, at), turn]);
}

const withAnswers = (conversation: Conversation, turnId: string, change: (answers: Turn["answers"]) => Turn["answers"]): Conversation =>
  withTurns(conversation, conversation.turns.map((turn) => (turn.id === turnId ? { ...turn, answers: change(turn.answers) } : turn)));

export const putAnswer = (conversation: Conversation, turnId: string, model: string, answer: Answer): Conversation => withAnswers(conversation, turnId, (answers) => ({ ...answers, [model]: answer }));

/** Only where that very call's answer is still shown. */
export const setCharge = (conversation: Conversation, turnId: string, model: string, requestId: string, charge: number | null): Conversation =>
  withAnswers(conversation, turnId, (answers) => {
    const answer = answers[model];
    return answer?.requestId === requestId ? { ...answers, [model]: { ...answer, charge } } : answers;
  });

export const removeAnswer = (conversation: Conversation, turnId: string, model: string): Conversation =>
  withAnswers(conversation, turnId, (answers) => Object.fromEntries(Object.entries(answers).filter(([name]) => name !== model)));

export const isRunning = (conversation: Conversation): boolean => conversation.turns.some((turn) => Object.values(turn.answers).some((answer) => answer.state === "running"));

/** Of a page that was left: what ran then has stopped. */
export function settled(conversation: Conversation): Conversation {
  if (!isRunning(conversation)) return conversation;
  const stopped = (answers: Turn["answers"]) => Object.fromEntries(Object.entries(answers).map(([model, answer]) => [model, answer.state === "running" ? { ...answer, state: "stopped" as const } : answer]));
  return { ...conversation, turns: conversation.turns.map((turn) => ({ ...turn, answers: stopped(turn.answers) })) };
}

const TITLE_LENGTH = 60;
/** "" for one in which nothing was asked. */
export const titleOf = (conversation: Conversation): string => (conversation.turns[0]?.text || conversation.turns[0]?.attachments[0]?.name || "").slice(0, TITLE_LENGTH);

/** Which models a turn shows: the chosen ones, and those that answered it before they were taken away. */
export function modelsOf(turn: Turn, chosen: readonly string[]): string[] {
  const answered = Object.keys(turn.answers);
  return answered.length ? [...chosen.filter((model) => answered.includes(model)), ...answered.filter((model) => !chosen.includes(model))] : [...chosen];
}
