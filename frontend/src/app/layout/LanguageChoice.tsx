import { useTranslation } from "react-i18next";

import { changeLanguage } from "@/shared/i18n/i18n";
import { LANGUAGES, isLang } from "@/shared/i18n/languages";
import { useLang } from "@/shared/i18n/use-lang";

export function LanguageChoice() {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <div>
      <label htmlFor="language" className="sr-only">
        {t("language")}
      </label>
      <select
        id="language"
        className="control-small"
        value={lang}
        onChange={(event) => {
          if (isLang(event.target.value)) void changeLanguage(event.target.value);
        }}
      >
        {LANGUAGES.map(({ tag, name }) => (
          <option key={tag} value={tag} lang={tag}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
