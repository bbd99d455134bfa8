import { useTranslation } from "react-i18next";
import { Link } from "react-router";

import { type HeldGift, giftAddress } from "@/shared/gifts/held-gifts";
import { formatTime } from "@/shared/i18n/names";
import { useLang } from "@/shared/i18n/use-lang";
import { formatMoney } from "@/shared/money/format-money";

interface Props {
  gift: HeldGift;
  /** In the reader's language. */
  charity_name: string;
}

/** Tells a donor who came back to the form that the first gift stands. */
export function RecentGift({ gift, charity_name }: Props) {
  const { t } = useTranslation("giving");
  const lang = useLang();
  const facts = {
    amount: formatMoney(gift.amount, gift.currency, lang),
    charity: charity_name,
    time: formatTime(gift.donation_timestamp ?? gift.held_at_ms, lang),
  };
  return (
    <div className="notice mb-8" data-testid="recent-gift">
      <p>{gift.status === "success" ? t("recent.given", facts) : t("recent.unconfirmed", facts)}</p>
      <p className="mt-1">
        <Link className="link inline-block py-0.5" to={giftAddress(gift.donation_id, gift.read_token)}>
          {t("recent.see")}
        </Link>
      </p>
    </div>
  );
}
