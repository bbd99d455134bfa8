import { useTranslation } from "react-i18next";

import { type Lang, isLang } from "./languages";

/** The language the page speaks now. */
export function useLang(): Lang {
  const { i18n } = useTranslation();
  return isLang(i18n.language) ? i18n.language : "en";
}
