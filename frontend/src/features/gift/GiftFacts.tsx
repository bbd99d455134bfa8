import { useTranslation } from "react-i18next";

import type { Gift } from "@/shared/api/types";
import { formatTime } from "@/shared/i18n/names";
import { useLang } from "@/shared/i18n/use-lang";
import { formatMoney } from "@/shared/money/format-money";
import { Fact } from "@/shared/ui/Fact";

import { useCharityName } from "./use-charity-name";

/** What the server holds about a gift, in a form that can be read out over the telephone. */
export function GiftFacts({ gift }: { gift: Gift }) {
  const { t } = useTranslation("gift");
  const lang = useLang();
  const charity = useCharityName(gift);
  return (
    <dl className="mt-6 border-t border-line text-left" data-testid="facts">
      <Fact name={t("fact.amount")}>
        <strong>{formatMoney(gift.amount, gift.currency, lang)}</strong>
      </Fact>
      <Fact name={t("fact.charity")}>{charity}</Fact>
      {gift.donation_timestamp !== null && (
        <Fact name={t("fact.time")}>
          <time dateTime={gift.donation_timestamp}>{formatTime(gift.donation_timestamp, lang)}</time>
        </Fact>
      )}
      {gift.transaction_id !== null && (
        <Fact name={t("fact.transaction")}>
          <span className="font-mono text-sm">{gift.transaction_id}</span>
        </Fact>
      )}
      <Fact name={t("fact.reference")}>
        <span className="font-mono text-sm">{gift.donation_id}</span>
      </Fact>
    </dl>
  );
}
