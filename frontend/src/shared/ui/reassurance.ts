import i18next from "i18next";

import { unansweredGifts } from "@/shared/gifts/open-form";

/** "Nothing was charged" is said only where this tab has no gift whose answer is still open. */
export function reassurance(): string {
  const open = unansweredGifts().length > 0;
  return open ? i18next.t("away.not_known_yet") : i18next.t("away.nothing_charged");
}
