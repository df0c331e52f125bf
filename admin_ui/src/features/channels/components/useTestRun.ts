// A test of all channels runs on the server; its progress is seen by the channels' test times moving past its start.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAction } from "@/shared/hooks/useAction";
import { useNotify } from "@/shared/hooks/useNotify";
import { allChannels, CHANNELS, testAll } from "../api/channels";

const POLL_MS = 2000;
const GIVE_UP_MS = 15 * 60_000;

export function useTestRun() {
  const { t } = useTranslation();
  const notify = useNotify();
  const queries = useQueryClient();
  const [startedAt, setStartedAt] = useState<number | null>(null); // Unix s
  const [progress, setProgress] = useState<{ done: number; total: number } | null>(null);
  const start = useAction({
    run: testAll,
    done: t("channels.test.started"),
    onDone: () => {
      setStartedAt(Math.floor(Date.now() / 1000) - 1);
      setProgress({ done: 0, total: 0 });
    },
  });
  useEffect(() => {
    if (startedAt === null) return;
    const poll = async () => {
      const channels = (await allChannels().catch(() => [])).filter((channel) => channel.status !== 2);
      if (channels.length === 0) return;
      const done = channels.filter((channel) => channel.test_time >= startedAt).length;
      setProgress({ done, total: channels.length });
      if (done < channels.length && Date.now() / 1000 - startedAt < GIVE_UP_MS / 1000) return;
      setStartedAt(null);
      setProgress(null);
      notify.success(t("channels.test.finished"));
      void queries.invalidateQueries({ queryKey: CHANNELS });
    };
    const timer = window.setInterval(() => void poll(), POLL_MS);
    return () => window.clearInterval(timer);
  }, [startedAt, notify, queries, t]);
  return { start: () => start.mutate(), progress };
}
