import { type Control, useWatch } from "react-hook-form";
import { useTranslation } from "react-i18next";

import type { CurrencyLimits } from "@/shared/api/types";
import type { GiftDraft } from "@/shared/gifts/open-form";
import { useLang } from "@/shared/i18n/use-lang";
import { formatMoney } from "@/shared/money/format-money";
import { parseAmount } from "@/shared/money/parse-amount";

interface Props {
  control: Control<GiftDraft>;
  currencies: CurrencyLimits[];
  busy: boolean;
}

/** Says what pressing it will do, down to the cent. */
export function SubmitButton({ control, currencies, busy }: Props) {
  const { t } = useTranslation("giving");
  const lang = useLang();
  const [amount, currency] = useWatch({ control, name: ["amount", "currency"] });
  const exponent = currencies.find(({ code }) => code === currency)?.exponent ?? 2;
  const given = parseAmount(amount, exponent);
  const label = given.ok
    ? t("submit_amount", { amount: formatMoney(given.amount, currency, lang) })
    : t("submit");

  return (
    <div>
      <button type="submit" className="button w-full text-lg" disabled={busy} data-testid="give">
        {label}
      </button>
      <p className="mt-2 text-center text-sm text-muted">{t("submit_note")}</p>
    </div>
  );
}
