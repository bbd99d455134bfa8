import * as z from "zod/mini";

import { GIFT_STATUSES, type Gift } from "@/shared/api/types";

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

/** Of two answers the newer one, in whichever order they came. */
export function newer(known: Gift | null, told: Gift): Gift {
  return known === null || (told.version ?? 0) >= (known.version ?? 0) ? told : known;
}
