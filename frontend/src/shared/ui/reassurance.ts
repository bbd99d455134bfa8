import i18next from "i18next";

import { heldGifts } from "@/shared/gifts/held-gifts";
import { unansweredGifts } from "@/shared/gifts/open-form";

/** "Nothing was charged" is said only where this tab has no gift that was, or may have been. */
export function reassurance(): string {
  if (unansweredGifts().length > 0) return i18next.t("away.not_known_yet");
  const given = heldGifts().some(({ status }) => status !== "failure");
  return given ? i18next.t("away.given") : i18next.t("away.nothing_charged");
}
