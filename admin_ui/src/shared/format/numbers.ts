// Numbers, shares, durations and moments as the reader's language writes them.
export const formatNumber = (value: number, locale: string, digits = 0): string =>
  value.toLocaleString(locale, { maximumFractionDigits: digits });

/** @param ratio 0…1; 0.98765 → 98.8 %. A ratio just below 1 never shows as 100 %. */
export function formatPercent(ratio: number, locale: string, digits = 1): string {
  const step = 10 ** (digits + 2);
  const shown = ratio < 1 && ratio > 0 ? Math.floor(ratio * step) / step : ratio;
  return shown.toLocaleString(locale, { style: "percent", maximumFractionDigits: digits });
}

/** 85 → "85 ms", 1234 → "1.23 s", 75 000 → "1 m 15 s". */
export function formatMs(ms: number, locale: string): string {
  if (ms < 1000) return `${formatNumber(ms, locale)} ms`;
  if (ms < 60_000) return `${formatNumber(ms / 1000, locale, ms < 10_000 ? 2 : 1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** Local time `YYYY-MM-DD HH:mm:ss`, the same in every language so that columns align. */
export function formatTime(unixSeconds: number): string {
  const d = new Date(unixSeconds * 1000);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

const AGO: [number, Intl.RelativeTimeFormatUnit][] = [
  [86_400 * 365, "year"],
  [86_400 * 30, "month"],
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
];

export function formatAgo(unixSeconds: number, nowSeconds: number, locale: string): string {
  const delta = unixSeconds - nowSeconds;
  const formatter = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
  for (const [size, unit] of AGO) if (Math.abs(delta) >= size) return formatter.format(Math.trunc(delta / size), unit);
  return formatter.format(0, "second");
}
