// What can be done with a channel from the health pages; changes show at once and come back when the server refuses.
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useNotify } from "@/shared/hooks/useNotify";
import { useUndo } from "@/shared/hooks/useUndo";
import { changeChannel, type ChannelChange, type ChannelHealth, drainChannel, HEALTH, type HealthOverview, testChannel } from "../api/health";

export function useChannelActions() {
  const { t } = useTranslation();
  const format = useFormat();
  const notify = useNotify();
  const queries = useQueryClient();
  const undo = useUndo();
  const patch = (id: number, change: Partial<ChannelHealth>) =>
    queries.setQueriesData<HealthOverview>({ queryKey: [...HEALTH, "overview"] }, (page) => page && { ...page, items: page.items.map((row) => (row.channel_id === id ? { ...row, ...change } : row)) });
  const reload = () => void queries.invalidateQueries({ queryKey: HEALTH });
  const change = useAction({ run: changeChannel, refresh: [["channels"], HEALTH] });
  const drain = useAction({ run: ({ id, drained }: { id: number; drained: boolean }) => drainChannel(id, drained), refresh: [HEALTH] });
  const test = useAction({
    run: ({ id, model }: { id: number; model?: string }) => testChannel(id, model),
    refresh: [HEALTH],
    onDone: (result) => (result.ok ? notify.success(t("health.testPassed", { time: format.ms(result.time * 1000) })) : notify.error(new Error(t("health.testFailed", { message: result.message })))),
  });
  return {
    testing: test.isPending ? test.variables?.id : undefined,
    test: (id: number, model?: string) => test.mutate(model === undefined ? { id } : { id, model }),
    set: (row: ChannelHealth, body: Omit<ChannelChange, "id">) => {
      patch(row.channel_id, body);
      change.mutate({ id: row.channel_id, ...body }, { onError: reload });
    },
    enable: (row: ChannelHealth) => change.mutate({ id: row.channel_id, status: 1 }),
    disable: (row: ChannelHealth) => {
      patch(row.channel_id, { status: 2, state: "off" });
      undo({ message: t("health.disabled", { name: row.name }), run: () => change.mutate({ id: row.channel_id, status: 2 }, { onError: reload }), onUndo: reload });
    },
    drain: (row: ChannelHealth) => drain.mutate({ id: row.channel_id, drained: !row.drained }),
  };
}
