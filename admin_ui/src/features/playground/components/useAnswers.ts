// Asks models and writes what arrives into the conversation; knows how to stop, and what went over the wire.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { selfQuery } from "@/shared/api/self";
import { readCharge } from "../api/charge";
import { type Conversation, newAnswer, putAnswer, setCharge } from "../api/conversation";
import { failureOf } from "../api/failure";
import type { RequestBody } from "../api/request";
import { converse, type Exchange, newExchange } from "../api/stream";

const PAINT_MS = 50; // between two paints of a streamed answer

type Change = (update: (conversation: Conversation) => Conversation) => void;
const placeOf = (turnId: string, model: string) => `${turnId} ${model}`;

export function useAnswers(change: Change) {
  const queries = useQueryClient();
  const running = useRef(new Map<string, AbortController>());
  const exchanges = useRef(new Map<string, Exchange>());
  useEffect(() => {
    const held = running.current;
    return () => held.forEach((controller) => controller.abort());
  }, []);

  const ask = async (turnId: string, request: RequestBody, group: string): Promise<void> => {
    const { model } = request;
    const place = placeOf(turnId, model);
    running.current.get(place)?.abort();
    const controller = new AbortController();
    running.current.set(place, controller);
    const exchange = newExchange(request);
    exchanges.current.set(place, exchange);
    let answer = newAnswer();
    const isMine = () => running.current.get(place) === controller; // asked again meanwhile: this one is forgotten
    const paint = () => {
      const shown = answer;
      if (isMine()) change((conversation) => putAnswer(conversation, turnId, model, shown));
    };
    paint();
    const began = performance.now();
    let timer = 0;
    try {
      for await (const piece of converse(exchange, group, controller.signal)) {
        answer = {
          ...answer,
          firstMs: answer.firstMs ?? (piece.text || piece.thinking ? performance.now() - began : null),
          text: answer.text + (piece.text ?? ""),
          thinking: answer.thinking + (piece.thinking ?? ""),
          usage: piece.usage ?? answer.usage,
          finish: piece.finish ?? answer.finish,
        };
        timer ||= window.setTimeout(() => {
          timer = 0;
          paint();
        }, PAINT_MS);
      }
      answer = { ...answer, state: "done" };
    } catch (error) {
      answer = controller.signal.aborted ? { ...answer, state: "stopped" } : { ...answer, state: "failed", failure: failureOf(error) };
    }
    window.clearTimeout(timer);
    answer = { ...answer, totalMs: performance.now() - began, requestId: exchange.requestId };
    paint();
    if (!isMine()) return;
    running.current.delete(place);
    if (!exchange.requestId || exchange.status !== 200) return;
    const charge = await readCharge(exchange.requestId);
    change((conversation) => setCharge(conversation, turnId, model, exchange.requestId, charge));
    void queries.invalidateQueries({ queryKey: selfQuery.queryKey }); // the balance has changed
  };
  const stop = (turnId: string, model: string) => running.current.get(placeOf(turnId, model))?.abort();
  /** Stops it, and writes nothing more of it. */
  const forget = (turnId: string, model: string) => {
    stop(turnId, model);
    running.current.delete(placeOf(turnId, model));
  };
  const stopAll = () => running.current.forEach((controller) => controller.abort());
  const exchangeOf = (turnId: string, model: string) => exchanges.current.get(placeOf(turnId, model));
  return { ask, stop, stopAll, forget, exchangeOf };
}
