import i18next from "i18next";

import type { CardField, CardFields, CardProblems } from "@/shared/card/card-fields";
import type { GiftDraft } from "@/shared/gifts/open-form";
import { fieldMessage } from "@/shared/i18n/field-message";
import type { SummaryItem } from "@/shared/ui/ErrorSummary";

import type { FieldError } from "./answer";

const FORM_FIELDS = ["amount", "currency", "first_name", "last_name", "email"] as const;
const CARD_FIELDS = ["number", "expiry", "cvv"] as const;

export function isFormField(field: string): field is keyof GiftDraft {
  return (FORM_FIELDS as readonly string[]).includes(field);
}

/** The names in the order the page shows them: Chinese writes the family name first. */
export function nameOrder(lang: string) {
  return lang === "zh-CN"
    ? (["last_name", "first_name"] as const)
    : (["first_name", "last_name"] as const);
}

/** The lines of the summary for the form's own fields, in the order they stand on the page. */
export function formItems(
  errorOf: (field: keyof GiftDraft) => string | undefined,
): SummaryItem[] {
  const order = ["amount", "currency", ...nameOrder(i18next.language), "email"] as const;
  return order.flatMap((field) => {
    const message = errorOf(field);
    return message === undefined
      ? []
      : [{ target: field, label: i18next.t(`giving:field.${field}`), message }];
  });
}

export function cardItems(
  problems: CardProblems,
  fields: CardFields | null,
): SummaryItem[] {
  return CARD_FIELDS.flatMap((field: CardField) => {
    const code = problems[field];
    if (code === undefined) return [];
    return [
      {
        target: `card-${field}`,
        label: i18next.t(`card:field.${field}`),
        message: String(i18next.t(`card:problem.${field}.${code}` as never)),
        focus: () => fields?.focus(field),
      },
    ];
  });
}

/** What the server refused and no input of the form shows: the card, the charity, the rest. */
export function otherItems(
  errors: FieldError[],
  fields: CardFields | null,
): SummaryItem[] {
  return errors
    .filter(({ field }) => !isFormField(field))
    .map(({ field, code, message }) => {
      const card = field.startsWith("payment_");
      return {
        target: card ? "card-number" : null,
        label: card ? i18next.t("giving:card.legend") : null,
        message: fieldMessage(card ? "card" : field, code, message),
        ...(card ? { focus: () => fields?.focus("number") } : {}),
      };
    });
}
