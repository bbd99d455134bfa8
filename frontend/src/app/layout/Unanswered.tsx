import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "react-router";

import { unansweredGifts } from "@/shared/gifts/open-form";
import { subscribeSession } from "@/shared/storage/session";

// Text, since a store must give the same value while nothing changed.
const read = () => JSON.stringify(unansweredGifts());

/** A donor who walked away from a gift under way is led back to it, wherever they are. */
export function Unanswered() {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  const gifts = JSON.parse(useSyncExternalStore(subscribeSession, read)) as ReturnType<
    typeof unansweredGifts
  >;
  const elsewhere = gifts.filter(
    ({ slug }) => decodeURIComponent(pathname) !== `/c/${slug}/give`,
  );
  return (
    <>
      {elsewhere.map(({ slug, charity_name }) => (
        <div key={slug} className="mb-8" data-testid="unanswered">
          <p className="notice">
            {t("unanswered.text", { charity: charity_name })}{" "}
            <Link className="link inline-block py-0.5" to={`/c/${encodeURIComponent(slug)}/give`}>
              {t("unanswered.see")}
            </Link>
          </p>
        </div>
      ))}
    </>
  );
}
