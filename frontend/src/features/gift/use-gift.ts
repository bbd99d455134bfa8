import { useEffect, useRef, useState } from "react";

import { httpStatus } from "@/shared/api/api";
import { type Gift, isSettled } from "@/shared/api/types";
import { heldGift, holdGift, tokenOf } from "@/shared/gifts/held-gifts";

import { useGetGiftQuery } from "./api/get-gift";

const FIRST_DELAY_MS = 2_000;
const DELAY_MS_MAX = 15_000;

export interface GiftWatch {
  /** As last told by the server, in this tab or now; null when it never told us. */
  gift: Gift | null;
  /** The server says that id and token open nothing. */
  unknown: boolean;
  /** The last question got no answer. Says nothing about the gift. */
  unreachable: boolean;
  refetch: () => void;
}

/** Pauses between questions: 2 s, growing by half up to 15 s. */
export function delayMs(questions: number): number {
  return Math.min(FIRST_DELAY_MS * 1.5 ** questions, DELAY_MS_MAX);
}

/** Asks for a gift until its status is final. */
export function useGift(donation_id: string): GiftWatch {
  const [held] = useState(() => heldGift(donation_id));
  const { data, error, refetch } = useGetGiftQuery(
    { donation_id },
    { refetchOnMountOrArgChange: true },
  );
  const questions = useRef(0);
  const gift: Gift | null = data ?? held;
  const status = httpStatus(error);
  const opens_nothing = status === 404 || status === 401 || status === 403;
  // A gift acknowledged to this very tab exists, even where the answering node does not know it yet.
  const unknown = opens_nothing && held === null;
  const done = data !== undefined && isSettled(data.status);

  useEffect(() => {
    if (done || unknown) return undefined;
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    // Each question waits for the answer before it, not for a render: an answer that is quick
    // and brings nothing new draws nothing, and the page would never ask again.
    const later = () => {
      timer = setTimeout(() => {
        questions.current += 1;
        void refetch().finally(() => {
          if (!gone) later();
        });
      }, delayMs(questions.current));
    };
    later();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [done, unknown, refetch]);

  useEffect(() => {
    const read_token = tokenOf(donation_id);
    if (data === undefined || read_token === null) return;
    // The form reads this: "You gave X at T" must tell what became of the gift.
    holdGift({ ...data, read_token, held_at_ms: Date.now() });
  }, [data, donation_id]);

  return {
    gift,
    unknown,
    unreachable: error !== undefined && !unknown,
    refetch: () => {
      void refetch();
    },
  };
}
