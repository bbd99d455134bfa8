import type { SentGift } from "@/shared/gifts/open-form";

import type { Answer, FinalAnswer, WaitReason } from "./answer";
import type { Challenge } from "./solve/challenge";

export type Sending =
  | { phase: "sending" }
  | { phase: "checking" }
  | { phase: "waiting"; reason: WaitReason; next_try_at_ms: number; in_doubt: boolean };

export interface SendGiftParts {
  sent: SentGift;
  /** Sends the gift once, always under the same key, with the work that was asked for. */
  post: (solution: string | null) => Promise<Answer>;
  /** Does that work; null when it cannot be done. */
  solve: (challenge: Challenge) => Promise<string | null>;
  /** Writes down what is known before the next step, so that a reload can carry on. */
  keep: (sent: SentGift) => void;
  onSending: (sending: Sending) => void;
}

export interface GiftInFlight {
  /** The final answer, or null when `stop` ended the tries. */
  answer: Promise<FinalAnswer | null>;
  tryNow: () => void;
  /** No further tries. What was sent stays sent: an answer already on its way still counts. */
  stop: () => void;
}

/** Asked more often in a row, something is wrong: then with a pause. */
const CHALLENGES_IN_A_ROW = 3;
const BACKOFF_S = [1, 2, 4, 8, 15, 20];

/** Sends a gift until there is a definite answer: same key, same body, as often as it takes. */
export function sendGift(parts: SendGiftParts): GiftInFlight {
  let stopped = false;
  let wake: () => void = () => undefined;
  // Before the first byte leaves, the gift counts as in doubt: a reload may cut us off.
  const doubted_before = parts.sent.in_doubt;

  const run = async (): Promise<FinalAnswer | null> => {
    let in_doubt = doubted_before;
    let solution: string | null = null;
    let asked = 0;
    for (let tries = 0; ; tries += 1) {
      parts.keep({ ...parts.sent, in_doubt: true });
      parts.onSending({ phase: "sending" });
      let answer = await parts.post(solution);
      if (answer.kind === "challenge") {
        parts.keep({ ...parts.sent, in_doubt });
        if (stopped) return null;
        parts.onSending({ phase: "checking" });
        solution = await parts.solve(answer.challenge);
        if (stopped as boolean) return null;
        asked += 1;
        if (solution !== null && asked <= CHALLENGES_IN_A_ROW) continue;
        answer = { kind: "wait", reason: "busy", retry_after_s: null, in_doubt: false };
      } else {
        asked = 0;
      }
      if (answer.kind !== "wait") return answer;
      in_doubt ||= answer.in_doubt;
      parts.keep({ ...parts.sent, in_doubt });
      if (stopped) return null;
      const wait_s = answer.retry_after_s ?? BACKOFF_S[Math.min(tries, BACKOFF_S.length - 1)] ?? 20;
      const wait_ms = Math.max(wait_s, 1) * 1000;
      parts.onSending({
        phase: "waiting",
        reason: answer.reason,
        next_try_at_ms: Date.now() + wait_ms,
        in_doubt,
      });
      await new Promise<void>((resume) => {
        wake = resume;
        setTimeout(resume, wait_ms);
      });
      // `stop` may have been called during the wait; the compiler cannot see that.
      if (stopped as boolean) return null;
    }
  };

  return {
    answer: run(),
    tryNow: () => {
      wake();
    },
    stop: () => {
      stopped = true;
      wake();
    },
  };
}
