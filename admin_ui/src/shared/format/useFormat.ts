// The formatters bound to the reader's language and the server's quota display.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useStatus } from "@/shared/api/status";
import { formatAgo, formatMs, formatNumber, formatPercent, formatTime } from "./numbers";
import { formatCompact, formatQuota, quotaToUsd, usdToQuota } from "./quota";

export function useFormat() {
  const { i18n } = useTranslation();
  const status = useStatus();
  const locale = i18n.language;
  return useMemo(() => {
    const display = { quota_per_unit: status?.quota_per_unit ?? 500_000, display_in_currency: status?.display_in_currency ?? true };
    return {
      locale,
      display,
      quota: (value: number, digits?: number) => formatQuota(value, display, locale, digits),
      usd: (value: number) => quotaToUsd(value, display),
      fromUsd: (value: number) => usdToQuota(value, display),
      number: (value: number, digits?: number) => formatNumber(value, locale, digits),
      compact: (value: number, digits?: number) => formatCompact(value, locale, digits),
      dollars: (value: number) => value.toLocaleString(locale, { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" }),
      percent: (ratio: number, digits?: number) => formatPercent(ratio, locale, digits),
      ms: (value: number) => formatMs(value, locale),
      time: formatTime,
      ago: (unixSeconds: number) => formatAgo(unixSeconds, Date.now() / 1000, locale),
    };
  }, [locale, status?.quota_per_unit, status?.display_in_currency]);
}
export type Format = ReturnType<typeof useFormat>;
