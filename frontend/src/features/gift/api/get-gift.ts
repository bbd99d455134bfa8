import * as z from "zod/mini";

import { api } from "@/shared/api/api";
import { GIFT_STATUSES, type Gift } from "@/shared/api/types";
import { tokenOf } from "@/shared/gifts/held-gifts";

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
});

const getGift = api.injectEndpoints({
  endpoints: (build) => ({
    getGift: build.query<Gift, { donation_id: string }>({
      // The token is looked up here, so that it is no part of a cache key in the store.
      query: ({ donation_id }) => ({
        url: `/donations/${encodeURIComponent(donation_id)}`,
        headers: { Authorization: `Bearer ${tokenOf(donation_id) ?? ""}` },
        cache: "no-store",
        // An answer that is not a gift is no answer: the page then keeps asking.
        validateStatus: (response, body) => response.ok && z.safeParse(GiftAnswer, body).success,
      }),
      transformResponse: (body: unknown) => z.parse(GiftAnswer, body),
    }),
  }),
});

export const { useGetGiftQuery } = getGift;
