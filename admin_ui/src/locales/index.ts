// Languages: each feature keeps its texts in features/<noun>/locales/<language>.json; a route loads those it needs before it renders.
// A text's key is "<noun>.<path in the file>", also for "shared" and "app".
import i18n from "i18next";
import { initReactI18next } from "react-i18next";

export const LANGUAGES = [
  { id: "en", name: "English", dayjs: "en" },
  { id: "zh-CN", name: "简体中文", dayjs: "zh-cn" },
] as const;
export type Language = (typeof LANGUAGES)[number]["id"];

type LocaleFile = { default: Record<string, unknown> };
const files: Record<string, () => Promise<LocaleFile>> = {
  ...import.meta.glob<LocaleFile>("../features/*/locales/*.json"),
  ...import.meta.glob<LocaleFile>("../{app,shared}/locales/*.json"),
};

const wanted = new Set<string>(["shared", "app"]);
const STORAGE = "medusa.language";

export function pickLanguage(stored: string | null, preferred: readonly string[]): Language {
  for (const candidate of [stored, ...preferred]) {
    if (!candidate) continue;
    const match = LANGUAGES.find((l) => l.id === candidate || l.id.split("-")[0] === candidate.split("-")[0]);
    if (match) return match.id;
  }
  return "en";
}

async function loadFile(language: string, noun: string): Promise<void> {
  if (i18n.getResource(language, "translation", noun)) return;
  const load = files[`../features/${noun}/locales/${language}.json`] ?? files[`../${noun}/locales/${language}.json`];
  if (!load) throw new Error(`no texts for ${noun} in ${language}`);
  i18n.addResourceBundle(language, "translation", { [noun]: (await load()).default }, true, true);
}

/** Makes the texts of these features available; cheap when they are loaded. */
export async function loadTexts(...nouns: string[]): Promise<void> {
  for (const noun of nouns) wanted.add(noun);
  await Promise.all(nouns.map((noun) => loadFile(i18n.language, noun)));
}

export async function setLanguage(language: Language): Promise<void> {
  await Promise.all([...wanted].map((noun) => loadFile(language, noun)));
  await i18n.changeLanguage(language);
  localStorage.setItem(STORAGE, language);
  document.documentElement.lang = language;
}

export async function startI18n(): Promise<void> {
  const language = pickLanguage(localStorage.getItem(STORAGE), navigator.languages);
  await i18n.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    resources: {},
    interpolation: { escapeValue: false },
    react: { useSuspense: false, bindI18nStore: "added" },
  });
  document.documentElement.lang = language;
  await loadTexts(...wanted);
}
