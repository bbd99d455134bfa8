const DECIMAL = /^-?\d+(\.\d+)?$/;

/**
 * An amount in the words of a language: ("1234.50", "USD", "en") is "$1,234.50".
 *
 * The decimal text goes to Intl as it is, which formats it exactly. `whole: "short"` leaves out
 * zero decimals, for buttons.
 */
export function formatMoney(
  amount: string,
  currency: string,
  lang: string,
  whole: "short" | "full" = "full",
): string {
  if (!DECIMAL.test(amount)) return `${amount} ${currency}`;
  return new Intl.NumberFormat(lang, {
    style: "currency",
    currency,
    trailingZeroDisplay: whole === "short" ? "stripIfInteger" : "auto",
  }).format(amount as `${number}`);
}

/** A currency's name for people: ("USD", "en") is "US Dollar". */
export function currencyName(currency: string, lang: string): string {
  return new Intl.DisplayNames([lang], { type: "currency" }).of(currency) ?? currency;
}
