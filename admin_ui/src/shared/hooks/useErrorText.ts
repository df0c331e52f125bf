// What to say about a failed request: our text for the server's code, else the server's message.
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/shared/api/client";

export function useErrorText(): (error: unknown) => string {
  const { t, i18n } = useTranslation();
  return useCallback(
    (error: unknown) => {
      if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
      const key = `shared.errors.${error.code}`;
      if (error.code && i18n.exists(key)) return t(key, error.params);
      return error.message || t("shared.error.unknown");
    },
    [t, i18n],
  );
}
