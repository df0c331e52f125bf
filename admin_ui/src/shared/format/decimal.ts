// Exact decimals as the server computes them: an integer and its number of fraction digits. No floating point.
export interface Decimal {
  n: bigint;
  digits: number;
}

/** A JSON number as the operator typed it: 0.1 is one tenth. */
export function decimal(value: number | string): Decimal {
  const text = String(value);
  const [mantissa = "0", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  const digits = fraction.length - Number(exponent);
  const n = BigInt(whole + fraction);
  return digits >= 0 ? { n, digits } : { n: n * 10n ** BigInt(-digits), digits: 0 };
}

export const times = (...values: Decimal[]): Decimal => values.reduce((a, b) => ({ n: a.n * b.n, digits: a.digits + b.digits }), { n: 1n, digits: 0 });

export function plus(...values: Decimal[]): Decimal {
  const digits = Math.max(0, ...values.map((value) => value.digits));
  return { n: values.reduce((sum, value) => sum + value.n * 10n ** BigInt(digits - value.digits), 0n), digits };
}

/** To a whole number, halves away from zero. */
export function roundHalfUp({ n, digits }: Decimal): bigint {
  const unit = 10n ** BigInt(digits);
  const half = unit / 2n;
  return n >= 0n ? (n + half) / unit : -((-n + half) / unit);
}

export function formatDecimal({ n, digits }: Decimal): string {
  const sign = n < 0n ? "-" : "";
  const text = (n < 0n ? -n : n).toString().padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits);
  const fraction = digits ? text.slice(text.length - digits).replace(/0+$/, "") : "";
  return sign + whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",") + (fraction ? `.${fraction}` : "");
}
