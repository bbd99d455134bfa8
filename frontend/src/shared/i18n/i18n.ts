import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import type en from "./en";
import { type Lang, isLang } from "./languages";

type Resources = typeof en;

const LOADERS = import.meta.glob<{ default: Resources }>("./*/index.ts");
const STORED = "almoner.lang";

/** Starts the texts in the language that boot.js chose before the first paint. */
export async function startTexts(): Promise<void> {
  const asked = document.documentElement.lang;
  const lang: Lang = isLang(asked) ? asked : "en";
  await i18next.use(initReactI18next).init({
    lng: lang,
    fallbackLng: false,
    defaultNS: "common",
    resources: { [lang]: await load(lang) },
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  document.documentElement.lang = lang;
}

export async function changeLanguage(lang: Lang): Promise<void> {
  if (!i18next.hasResourceBundle(lang, "common")) {
    const texts = await load(lang);
    for (const [namespace, bundle] of Object.entries(texts)) {
      i18next.addResourceBundle(lang, namespace, bundle);
    }
  }
  await i18next.changeLanguage(lang);
  document.documentElement.lang = lang;
  try {
    localStorage.setItem(STORED, lang);
  } catch {
    // The choice then lasts until the tab is closed.
  }
}

async function load(lang: Lang): Promise<Resources> {
  const loader = LOADERS[`./${lang}/index.ts`];
  if (loader === undefined) throw new Error(`no texts for ${lang}`);
  return (await loader()).default;
}
