import { uuid7 } from "@/shared/ids/uuid7";
import {
  readSession,
  removeSession,
  sessionKeys,
  writeSession,
} from "@/shared/storage/session";

/** What the donor wrote, without the card. Kept so that nothing is lost on reload. */
export interface GiftDraft {
  amount: string;
  currency: string;
  first_name: string;
  last_name: string;
  email: string;
}

/** The body of POST /donations. The nonce stands for the card and works once. */
export interface GiftBody extends GiftDraft {
  charity_id: number;
  payment_method_nonce: string;
  locale: string;
  confirm_duplicate?: boolean;
  /** The form's ticket, where one could be had. It stays with the gift, like the key. */
  form_token?: string;
  /** What stands in the field that no person sees. */
  website?: string;
}

/** Says that a form was opened here, and when. With it, one form can make one gift only. */
export interface Ticket {
  form_token: string;
  taken_at_ms: number;
  usable_until_ms: number;
  /** A form that comes back sooner is taken for a script's. */
  age_min_ms: number;
}

/** A gift that left the page and has no final answer yet. */
export interface SentGift {
  body: GiftBody;
  charity_name: string;
  /**
   * False only when every answer so far proves that the server kept nothing (503, 429).
   * While true, the body must not change: the charge may already have happened.
   */
  in_doubt: boolean;
}

/** One opened donation form: its idempotency key, the draft, and what was sent under the key. */
export interface OpenForm {
  key: string;
  draft: GiftDraft | null;
  sent: SentGift | null;
  ticket?: Ticket | null;
}

const PREFIX = "almoner.form.";

/** The form of a charity as this tab remembers it, or a new one with a key of its own. */
export function openForm(slug: string): OpenForm {
  const kept = peekForm(slug);
  if (kept !== null) return kept;
  return keepForm(slug, { key: uuid7(), draft: null, sent: null });
}

/** Like `openForm`, without making anything. */
export function peekForm(slug: string): OpenForm | null {
  const kept = readSession(PREFIX + slug);
  return isOpenForm(kept) ? kept : null;
}

export function keepForm(slug: string, form: OpenForm): OpenForm {
  writeSession(PREFIX + slug, form);
  return form;
}

/**
 * After a definite no, or before an edit: what was written stays, the next try is a new gift with
 * a key and a ticket of its own.
 */
export function renewForm(slug: string): OpenForm {
  const draft = peekForm(slug)?.draft ?? null;
  return keepForm(slug, { key: uuid7(), draft, sent: null });
}

export function closeForm(slug: string): void {
  removeSession(PREFIX + slug);
}

export interface UnansweredGift {
  slug: string;
  charity_name: string;
}

/** Gifts of this tab that were sent and may have been taken, without an answer so far. */
export function unansweredGifts(): UnansweredGift[] {
  return sessionKeys(PREFIX).flatMap((key) => {
    const slug = key.slice(PREFIX.length);
    const sent = peekForm(slug)?.sent;
    return sent?.in_doubt ? [{ slug, charity_name: sent.charity_name }] : [];
  });
}

function isOpenForm(value: unknown): value is OpenForm {
  return (
    typeof value === "object" &&
    value !== null &&
    "key" in value &&
    typeof value.key === "string" &&
    "draft" in value &&
    "sent" in value
  );
}
