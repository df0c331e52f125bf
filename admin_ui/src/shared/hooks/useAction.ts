// One user action against the server: runs, says how it went, refreshes what it touched.
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { useNotify } from "./useNotify";

interface ActionOptions<I, R> {
  run: (input: I) => Promise<R>;
  done?: string | ((result: R, input: I) => string); // message after success
  refresh?: QueryKey[];
  onDone?: (result: R, input: I) => void;
}

export function useAction<I = void, R = unknown>({ run, done, refresh = [], onDone }: ActionOptions<I, R>) {
  const queries = useQueryClient();
  const notify = useNotify();
  return useMutation<R, Error, I>({
    mutationFn: run,
    onSuccess: (result, input) => {
      if (done) notify.success(typeof done === "string" ? done : done(result, input));
      for (const queryKey of refresh) void queries.invalidateQueries({ queryKey });
      onDone?.(result, input);
    },
    onError: (error) => notify.error(error),
  });
}
