import * as z from "zod/mini";

import { GIFT_STATUSES, type Gift, isSettled } from "@/shared/api/types";

const text = z._default(z.nullable(z.string()), null);

const GiftAnswer = z.object({
  donation_id: z.string(),
  status: z.enum(GIFT_STATUSES),
  amount: z.string(),
  currency: z.string(),
  charity_id: z.number(),
  charity_name: z.string(),
  charity_slug: text,
  donation_timestamp: text,
  transaction_id: text,
  error_message: text,
  code: text,
  version: z._default(z.number(), 0),
  finish_path: text,
});

/** A gift as the server tells it, or null: what is not a gift is no answer. */
export function readGift(body: unknown): Gift | null {
  const read = z.safeParse(GiftAnswer, body);
  return read.success ? read.data : null;
}

/** Like `readGift`. Throws where it would be null. */
export function demandGift(body: unknown): Gift {
  return z.parse(GiftAnswer, body);
}

/**
 * Of two answers the newer one, in whichever order they came.
 *
 * Version 0 is told by a process that keeps the gift and reaches no database: it cannot know that
 * another one has ended it. The answer to the form has no version either, and may be that end.
 */
export function newer(known: Gift | null, told: Gift): Gift {
  if (known !== null && isSettled(known.status) && !told.version) return known;
  return known === null || (told.version ?? 0) >= (known.version ?? 0) ? told : known;
}
