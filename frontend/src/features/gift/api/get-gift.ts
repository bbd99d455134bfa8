import { api } from "@/shared/api/api";
import type { Gift } from "@/shared/api/types";
import { tokenOf } from "@/shared/gifts/held-gifts";

import { demandGift, readGift } from "./read-gift";

const getGift = api.injectEndpoints({
  endpoints: (build) => ({
    getGift: build.query<Gift, { donation_id: string }>({
      // The token is looked up here, so that it is no part of a cache key in the store.
      query: ({ donation_id }) => ({
        url: `/donations/${encodeURIComponent(donation_id)}`,
        headers: { Authorization: `Bearer ${tokenOf(donation_id) ?? ""}` },
        cache: "no-store",
        // An answer that is not a gift is no answer: the page then keeps asking.
        validateStatus: (response, body) => response.ok && readGift(body) !== null,
      }),
      transformResponse: demandGift,
    }),
  }),
});

export const { useGetGiftQuery } = getGift;
