// Short messages after an action; errors stay longer and name the request id.
import { notifications } from "@mantine/notifications";
import { useMemo } from "react";
import { ApiError } from "@/shared/api/client";
import { useErrorText } from "./useErrorText";

export function useNotify() {
  const errorText = useErrorText();
  return useMemo(
    () => ({
      success: (message: string) => void notifications.show({ message, color: "teal", autoClose: 2500 }),
      info: (message: string) => void notifications.show({ message, autoClose: 4000 }),
      error: (error: unknown) => {
        const requestId = error instanceof ApiError && error.requestId ? ` (${error.requestId})` : "";
        notifications.show({ message: errorText(error) + requestId, color: "red", autoClose: 8000, role: "alert" });
      },
    }),
    [errorText],
  );
}
