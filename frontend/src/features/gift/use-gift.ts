import { useEffect, useEffectEvent, useState } from "react";

import { httpStatus } from "@/shared/api/api";
import { type Gift, isSettled } from "@/shared/api/types";
import { heldGift, holdGift, tokenOf } from "@/shared/gifts/held-gifts";

import { useGetGiftQuery } from "./api/get-gift";
import { newer } from "./api/read-gift";
import { keepWatch } from "./keep-watch";

export interface GiftWatch {
  /** The newest that the server told, in this tab or now; null when it never told us. */
  gift: Gift | null;
  /** The server says that id and token open nothing. */
  unknown: boolean;
  /** The last question got no answer. Says nothing about the gift. */
  unreachable: boolean;
  refetch: () => void;
}

/** Asks for a gift, then follows it until its status is final. Never shows an older state. */
export function useGift(donation_id: string): GiftWatch {
  const [held] = useState(() => heldGift(donation_id));
  const [told, setTold] = useState<Gift | null>(null);
  const [answered, setAnswered] = useState<Gift>();
  const [following, setFollowing] = useState(false);
  const { data, error, refetch } = useGetGiftQuery(
    { donation_id },
    { refetchOnMountOrArgChange: true },
  );
  if (data !== answered) {
    setAnswered(data);
    if (data !== undefined) setTold(newer(told, data));
  }
  const gift = told === null ? held : newer(held, told);
  const seen = useEffectEvent(() => gift?.version ?? 0);
  const status = httpStatus(error);
  const opens_nothing = status === 404 || status === 401 || status === 403;
  // A gift acknowledged to this very tab exists, even where the answering node does not know it yet.
  const unknown = opens_nothing && held === null;
  const asked = data !== undefined || error !== undefined;
  const done = told !== null && gift !== null && isSettled(gift.status);

  useEffect(() => {
    // The first answer comes first: most gifts are final by then, and need no stream.
    if (!asked || done || unknown) return undefined;
    const gone = new AbortController();
    void keepWatch({
      donation_id,
      seen: () => seen(),
      ask: refetch,
      onGift: (news) => {
        setTold((known) => newer(known, news));
      },
      onFollowing: setFollowing,
      signal: gone.signal,
    });
    return () => {
      gone.abort();
    };
  }, [donation_id, asked, done, unknown, refetch]);

  useEffect(() => {
    const read_token = tokenOf(donation_id);
    if (told === null || gift === null || read_token === null) return;
    // The form reads this: "You gave X at T" must tell what became of the gift.
    holdGift({ ...gift, read_token, held_at_ms: Date.now() });
  }, [told, gift, donation_id]);

  return {
    gift,
    unknown,
    unreachable: error !== undefined && !unknown && !following,
    refetch: () => {
      void refetch();
    },
  };
}
