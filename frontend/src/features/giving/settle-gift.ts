import { giftAddress, holdGift } from "@/shared/gifts/held-gifts";
import { type SentGift, closeForm, keepForm, peekForm, renewForm } from "@/shared/gifts/open-form";

import type { AnsweredGift, FieldError, FinalAnswer } from "./answer";

/** Why the donor is back at the form. */
export type FormProblem =
  | { kind: "invalid"; errors: FieldError[] }
  | { kind: "declined"; code: string | null; message: string | null }
  | { kind: "refused"; code: string; detail: string };

/** Where a final answer leads. */
export type NextStep =
  | { to: "gift"; address: string }
  | { to: "question"; first_donation_id: string | null }
  | { to: "form"; problem: FormProblem };

/**
 * Writes a final answer into what the tab remembers and says where it leads.
 *
 * The key changes only here: after a decline, because the next try is another gift; after
 * `key_reused`, because the server ties the key to other contents; and after an accepted gift.
 * Field errors keep it: nothing was stored under it.
 */
export function settleGift(
  slug: string,
  key: string,
  sent: SentGift,
  answer: FinalAnswer,
): NextStep {
  // An answer that comes after the donor has started afresh must not touch the new form.
  const ours = peekForm(slug)?.key === key;
  switch (answer.kind) {
    case "accepted":
      hold(slug, sent, answer.gift);
      if (ours && answer.gift.status === "success") closeForm(slug);
      else if (ours) renewForm(slug);
      return gift(answer.gift);
    case "declined":
      if (answer.gift !== null) hold(slug, sent, { ...answer.gift, ...reason(answer) });
      if (ours) renewForm(slug);
      return answer.gift === null
        ? { to: "form", problem: { kind: "declined", ...reason(answer) } }
        : gift(answer.gift);
    case "key_reused":
      if (ours) renewForm(slug);
      return { to: "form", problem: { kind: "refused", code: "key_reused", detail: "" } };
    case "possible_duplicate":
      if (ours) reopen(slug);
      return { to: "question", first_donation_id: answer.first_donation_id };
    case "invalid": {
      // A ticket that is too old cannot become right by editing: key and ticket are given up.
      const errors = answer.errors.filter(({ field }) => field !== "form_token");
      if (ours && errors.length < answer.errors.length) renewForm(slug);
      else if (ours) reopen(slug);
      return errors.length === 0
        ? { to: "form", problem: { kind: "refused", code: "form_expired", detail: "" } }
        : { to: "form", problem: { kind: "invalid", errors } };
    }
    case "refused":
      if (ours) reopen(slug);
      return { to: "form", problem: answer };
  }
}

/** Lets the donor change the contents again; the key stays, nothing was stored under it. */
export function reopen(slug: string): void {
  const form = peekForm(slug);
  if (form !== null) keepForm(slug, { ...form, sent: null });
}

function gift(answered: AnsweredGift): NextStep {
  return { to: "gift", address: giftAddress(answered.donation_id, answered.read_token) };
}

function reason(answer: { code: string | null; message: string | null }) {
  return { code: answer.code, message: answer.message, error_message: answer.message };
}

function hold(slug: string, sent: SentGift, told: AnsweredGift): void {
  holdGift({
    donation_id: told.donation_id,
    read_token: told.read_token,
    status: told.status,
    amount: told.amount ?? sent.body.amount,
    currency: told.currency ?? sent.body.currency,
    charity_id: told.charity_id ?? sent.body.charity_id,
    charity_name: told.charity_name ?? sent.charity_name,
    charity_slug: slug,
    donation_timestamp: told.donation_timestamp,
    transaction_id: told.transaction_id,
    error_message: told.error_message,
    code: told.code,
    held_at_ms: Date.now(),
  });
}
