// Models that channels offer and nobody has priced: a call of one is refused until it has a price.
import { readPrices } from "./options";

/** `own`: option key → JSON text with unsaved changes. */
export function unpricedModels(inUse: readonly string[], own: (key: string) => string): string[] {
  const [ratios, prices] = [readPrices(own("ModelRatio")), readPrices(own("ModelPrice"))];
  const isPriced = (model: string) => (ratios[model] ?? -1) >= 0 || (prices[model] ?? -1) >= 0;
  return [...new Set(inUse)].filter((model) => !isPriced(model)).sort();
}

export interface Fill {
  ratio: number | null; // of a prompt token
  completion: number | null; // of a completion token relative to it
  price: number | null; // USD per call; wins over both
}
/** Option key → new JSON text for the tables that get the models. */
export function fillPrices(models: readonly string[], fill: Fill, own: (key: string) => string): Record<string, string> {
  const changes: Record<string, string> = {};
  const put = (key: string, value: number | null) => {
    if (value !== null) changes[key] = JSON.stringify({ ...readPrices(own(key)), ...Object.fromEntries(models.map((model) => [model, value])) }, null, 2);
  };
  if (fill.price !== null) put("ModelPrice", fill.price);
  else {
    put("ModelRatio", fill.ratio);
    put("CompletionRatio", fill.completion);
  }
  return changes;
}
