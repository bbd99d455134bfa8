import { useTranslation } from "react-i18next";
import { Link } from "react-router";

import type { Gift } from "@/shared/api/types";
import { peekForm } from "@/shared/gifts/open-form";
import { declineMessage } from "@/shared/i18n/field-message";
import { PageHeading } from "@/shared/ui/PageHeading";

import { GiftFacts } from "./GiftFacts";

/** Codes of payments that were taken and undone: "you were not charged" would not be the truth. */
const UNDONE: ReadonlySet<string> = new Set(["money_returned", "settlement_failed"]);

export function Declined({ gift }: { gift: Gift }) {
  const { t } = useTranslation(["gift", "errors", "common"]);
  const undone = gift.code !== null && UNDONE.has(gift.code);
  // Who comes by the link, in another tab or days later, finds an empty form.
  const form_kept = gift.charity_slug !== null && peekForm(gift.charity_slug)?.draft != null;
  return (
    <section className="panel mx-auto max-w-xl" data-testid="gift-failure">
      <PageHeading title={t("gift:failure.title")}>{t("gift:failure.title")}</PageHeading>
      <p className="mt-4 text-lg font-medium" data-testid="decline-reason">
        {declineMessage(gift.code, gift.error_message)}
      </p>
      <p className="mt-2">{t(undone ? "gift:failure.undone" : "gift:failure.not_charged")}</p>
      {!undone && form_kept && <p className="mt-2">{t("gift:failure.form_kept")}</p>}
      <div className="mt-6 flex flex-wrap gap-3">
        {gift.charity_slug !== null && (
          <Link
            to={gift.finish_path ?? `/c/${encodeURIComponent(gift.charity_slug)}/give`}
            className="button"
          >
            {t("gift:failure.again")}
          </Link>
        )}
        <Link to="/" className="button-quiet">
          {t("common:home")}
        </Link>
      </div>
      <GiftFacts gift={gift} />
    </section>
  );
}
