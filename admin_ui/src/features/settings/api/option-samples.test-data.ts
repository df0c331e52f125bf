// Settings as the server would declare and hold them, for tests.
import type { Option, OptionSpec } from "@/shared/api/types";

export type Spec = OptionSpec;
export const specOf = (changes: Partial<OptionSpec>): OptionSpec => ({ key: "x", kind: "str", default: "", group: "g", section: "", unit: "", shape: "", label_en: "", label_zh: "", help_en: "", help_zh: "", lowest: null, highest: null, choices: [], secret: false, restart: false, ...changes });
export const storedOf = (...options: Partial<Option>[]) => new Map(options.map((option) => [option.key!, { key: "", value: "", set: true, version: "", ...option }]));
