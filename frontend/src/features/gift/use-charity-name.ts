import { useGetCharityQuery } from "@/shared/api/get-charity";
import type { Gift } from "@/shared/api/types";
import { useLang } from "@/shared/i18n/use-lang";

/** The charity's name in the reader's language; as the gift tells it where there is no other. */
export function useCharityName({ charity_slug, charity_name }: Gift): string {
  const lang = useLang();
  // The gift's own record is in English.
  const skip = charity_slug === null || lang === "en";
  const { currentData } = useGetCharityQuery({ slug: charity_slug ?? "", lang }, { skip });
  return currentData?.name ?? charity_name;
}
