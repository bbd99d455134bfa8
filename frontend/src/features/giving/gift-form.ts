import type { FieldErrors, Resolver } from "react-hook-form";
import * as z from "zod/mini";

import type { Charity, Config, CurrencyLimits } from "@/shared/api/types";
import type { GiftDraft } from "@/shared/gifts/open-form";
import { minorUnits, parseAmount } from "@/shared/money/parse-amount";

export const NAME_LENGTH_MAX = 100;
/** RFC 5321, 4.5.3.1.3, less the angle brackets. */
export const EMAIL_LENGTH_MAX = 254;

// Only what is certainly no address is refused: the rest is for the mail server to say.
const EMAIL = /^[^\s@<>()",;:]+@[^\s@.,]+(\.[^\s@.,]+)+$/u;
const NAME = /^[^\p{Cc}\u2028\u2029<>]*$/u;

const personName = z
  .string()
  .check(
    z.trim(),
    z.minLength(1, "empty"),
    z.maxLength(NAME_LENGTH_MAX, "too_long"),
    z.regex(NAME, "invalid_characters"),
  );

const email = z
  .string()
  .check(
    z.trim(),
    z.minLength(1, "empty"),
    z.maxLength(EMAIL_LENGTH_MAX, "too_long"),
    z.regex(EMAIL, "malformed"),
  );

function amountIn(limits: CurrencyLimits | undefined) {
  return z.string().check((context) => {
    const problem = amountProblem(context.value, limits);
    if (problem === null) return;
    context.issues.push({ code: "custom", input: context.value, message: problem });
  });
}

function amountProblem(text: string, limits: CurrencyLimits | undefined): string | null {
  if (limits === undefined) return null;
  const parsed = parseAmount(text, limits.exponent);
  if (!parsed.ok) return parsed.problem;
  if (parsed.minor < minorUnits(limits.min, limits.exponent)) return "too_small";
  return parsed.minor > minorUnits(limits.max, limits.exponent) ? "too_large" : null;
}

/** The form's rules. Messages are codes, put into words by `fieldMessage`. */
export function giftSchema(currencies: CurrencyLimits[], currency: string) {
  const limits = currencies.find(({ code }) => code === currency);
  return z.object({
    amount: amountIn(limits),
    currency: z.string().check(z.refine(() => limits !== undefined, "unknown_currency")),
    first_name: personName,
    last_name: personName,
    email,
  });
}

/** Checks every field at once; the first problem of each is told. */
export function giftResolver(currencies: CurrencyLimits[]): Resolver<GiftDraft> {
  return (values) => {
    const result = giftSchema(currencies, values.currency).safeParse(values);
    if (result.success) return { values: result.data, errors: {} };
    const errors: FieldErrors<GiftDraft> = {};
    for (const issue of result.error.issues) {
      const field = issue.path[0] as keyof GiftDraft;
      errors[field] ??= { type: issue.message };
    }
    return { values: {}, errors };
  };
}

/** What is sent: trimmed, the amount as a plain decimal text with the currency's decimals. */
export function tidyDraft(values: GiftDraft, currencies: CurrencyLimits[]): GiftDraft {
  const limits = currencies.find(({ code }) => code === values.currency);
  const amount = parseAmount(values.amount, limits?.exponent ?? 2);
  return {
    amount: amount.ok ? amount.amount : values.amount,
    currency: values.currency,
    first_name: values.first_name.trim(),
    last_name: values.last_name.trim(),
    email: values.email.trim(),
  };
}

/** The currencies that both the site and the charity take. */
export function currenciesFor(config: Config, charity: Charity): CurrencyLimits[] {
  const taken = charity.currencies;
  if (taken === undefined || taken === null) return config.currencies;
  return config.currencies.filter(({ code }) => taken.includes(code));
}

/**
 * What a link to finish a gift fills in: `?finish=id~amount~currency~signature`. The form checks it
 * like anything typed, so nothing here has to be believed.
 */
export function draftOfLink(finish: string | null): GiftDraft | null {
  const [, amount, currency] = finish?.split("~") ?? [];
  if (amount === undefined || currency === undefined) return null;
  if (!/^\d{1,15}(\.\d{1,3})?$/.test(amount)) return null;
  return { amount, currency, first_name: "", last_name: "", email: "" };
}

/** Where the form starts: from the kept draft, as far as it still fits. */
export function startingDraft(
  draft: GiftDraft | null,
  currencies: CurrencyLimits[],
  default_currency: string,
): GiftDraft {
  const known = (code: string | undefined) => currencies.some((limits) => limits.code === code);
  const usual = known(default_currency) ? default_currency : (currencies[0]?.code ?? "");
  const start = draft ?? { amount: "", currency: usual, first_name: "", last_name: "", email: "" };
  return known(start.currency) ? start : { ...start, currency: usual };
}
