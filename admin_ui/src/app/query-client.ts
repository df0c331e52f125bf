// Server state: reads retry when the server was busy or away, never when it refused.
import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "@/shared/api/client";

const mayRetry = (error: unknown) => !(error instanceof ApiError) || error.status === 0 || error.status >= 502;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000, // ms
      retry: (failures, error) => failures < 2 && mayRetry(error),
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});
