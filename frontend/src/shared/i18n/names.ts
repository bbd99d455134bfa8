/** A country's name in a language: ("CN", "en") is "China". Unknown codes come back as they are. */
export function countryName(code: string, lang: string): string {
  try {
    return new Intl.DisplayNames([lang], { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** A moment in the reader's own zone and language, or the text itself when it is no time. */
export function formatTime(when: string | number, lang: string): string {
  const date = new Date(when);
  if (Number.isNaN(date.getTime())) return String(when);
  return new Intl.DateTimeFormat(lang, { dateStyle: "long", timeStyle: "short" }).format(date);
}
