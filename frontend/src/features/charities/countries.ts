import { countryName } from "@/shared/i18n/names";

/** Offered until the server tells in /config which countries have charities. */
const USUAL = [
  "AU", "BR", "CA", "CH", "CN", "DE", "FR", "GB", "HK", "IN", "JP", "KE", "US", "ZA",
];

/** Country codes with their names, in the alphabetical order of the language. */
export function countryChoices(
  offered: string[] | undefined,
  chosen: string,
  lang: string,
): { code: string; name: string }[] {
  const codes = new Set(offered ?? USUAL);
  if (chosen !== "") codes.add(chosen);
  const order = new Intl.Collator(lang);
  return [...codes]
    .map((code) => ({ code, name: countryName(code, lang) }))
    .sort((a, b) => order.compare(a.name, b.name));
}
