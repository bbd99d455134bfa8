/**
 * The languages of the page, in their own words. A further one is a folder beside this file, a
 * line here and one in public/boot.js; a test compares the three.
 */
export const LANGUAGES = [
  { tag: "en", name: "English" },
  { tag: "zh-CN", name: "简体中文" },
] as const;

export type Lang = (typeof LANGUAGES)[number]["tag"];

export function isLang(tag: unknown): tag is Lang {
  return LANGUAGES.some((language) => language.tag === tag);
}
