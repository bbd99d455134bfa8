import type { Config } from "@/shared/api/types";

/** A cause in the reader's language; the key itself until the settings have come. */
export function categoryTitle(config: Config | undefined, key: string, lang: string): string {
  const title = config?.categories.find((category) => category.key === key)?.title;
  return title?.[lang] ?? title?.["en"] ?? key;
}
