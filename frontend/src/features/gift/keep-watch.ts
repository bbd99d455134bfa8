import type { Gift } from "@/shared/api/types";

import { type End, followGift } from "./api/follow-gift";

const FIRST_DELAY_MS = 2_000;
const DELAY_MS_MAX = 15_000;
/** Where there is no stream, so many questions are asked before one is tried again. */
const QUESTIONS_BETWEEN_TRIES = 4;

interface Watch {
  donation_id: string;
  /** The version of the gift that the page shows by now. */
  seen: () => number;
  /** Ask once; ends with the answer, or without one. */
  ask: () => Promise<unknown>;
  onGift: (gift: Gift) => void;
  /** Whether the stream tells of every change at the moment. */
  onFollowing: (following: boolean) => void;
  /** Aborted when the gift is final or the page goes. */
  signal: AbortSignal;
}

/** Pauses between questions: 2 s, growing by half up to 15 s. */
export function delayMs(questions: number): number {
  return Math.min(FIRST_DELAY_MS * 1.5 ** questions, DELAY_MS_MAX);
}

/** Follows a gift by a stream, and by questions as long as there is none. */
export async function keepWatch(watch: Watch): Promise<void> {
  const { signal } = watch;
  const gone = () => signal.aborted;
  let questions = 0;
  let questions_left = 0;
  while (!gone()) {
    if (questions_left === 0) {
      const end = await follow(watch);
      if (gone()) return;
      if (end.how === "ended") {
        await pause(end.retry_ms, signal);
        continue;
      }
      questions_left = end.how === "refused" ? QUESTIONS_BETWEEN_TRIES : 1;
    }
    // Each question waits for the answer before it, not for a render: an answer that is quick
    // and brings nothing new draws nothing, and the page would never ask again.
    await pause(delayMs(questions), signal);
    if (gone()) return;
    await watch.ask();
    questions += 1;
    questions_left -= 1;
  }
}

async function follow({ donation_id, seen, onGift, onFollowing, signal }: Watch): Promise<End> {
  try {
    return await followGift({
      donation_id,
      seen: seen(),
      signal,
      onGift: (gift) => {
        if (signal.aborted) return;
        onFollowing(true);
        onGift(gift);
      },
    });
  } finally {
    if (!signal.aborted) onFollowing(false);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
