// One formatter for every amount of quota on screen; units come from /api/status.
export interface QuotaDisplay {
  quota_per_unit: number;
  display_in_currency: boolean;
}

const SHORT: [number, string][] = [
  [1e9, "B"],
  [1e6, "M"],
  [1e4, "k"],
];

export function formatCompact(value: number, locale: string, digits = 1): string {
  for (const [limit, suffix] of SHORT) {
    if (Math.abs(value) >= limit) {
      const divisor = suffix === "k" ? 1e3 : limit;
      return `${(value / divisor).toLocaleString(locale, { maximumFractionDigits: digits })}${suffix}`;
    }
  }
  return value.toLocaleString(locale, { maximumFractionDigits: digits });
}

/** @param digits fraction digits when shown as currency: 2 for balances, 6 for single charges. */
export function formatQuota(quota: number, display: QuotaDisplay, locale: string, digits = 2): string {
  if (!display.display_in_currency) return formatCompact(quota, locale);
  const usd = quota / (display.quota_per_unit || 500_000);
  const sign = usd < 0 ? "-" : "";
  const shown = Math.abs(usd).toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${sign}$${shown}`;
}

export const quotaToUsd = (quota: number, display: QuotaDisplay): number => quota / (display.quota_per_unit || 500_000);
export const usdToQuota = (usd: number, display: QuotaDisplay): number => Math.round(usd * (display.quota_per_unit || 500_000));
