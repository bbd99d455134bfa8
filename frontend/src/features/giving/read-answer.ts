import * as z from "zod/mini";

import { GIFT_STATUSES } from "@/shared/api/types";

import type { Answer, AnsweredGift, WaitReason } from "./answer";
import { readChallenge } from "./solve/challenge";

const text = z._default(z.nullable(z.string()), null);

const GiftAnswer = z.object({
  donation_id: z.string(),
  read_token: z.string(),
  status: z.enum(GIFT_STATUSES),
  amount: text,
  currency: text,
  charity_id: z._default(z.nullable(z.number()), null),
  charity_name: text,
  transaction_id: text,
  donation_timestamp: text,
  error_message: text,
  code: text,
});

const ProblemAnswer = z.object({
  code: text,
  title: text,
  detail: text,
  error_message: text,
  donation_id: text,
  challenge: z._default(z.unknown(), null),
  errors: z._default(
    z.array(z.object({ field: z.string(), code: z.string(), message: z._default(z.string(), "") })),
    [],
  ),
});

type ProblemBody = z.infer<typeof ProblemAnswer>;

const NO_PROBLEM: ProblemBody = {
  code: null,
  title: null,
  detail: null,
  error_message: null,
  donation_id: null,
  challenge: null,
  errors: [],
};

/**
 * What an answer to POST /donations means. Pure.
 *
 * Anything that is not understood leaves the gift in doubt and is asked again under the same
 * key: the server then replays what it did. "Not charged" is never concluded from silence.
 */
export function readAnswer(status: number, retry_after: string | null, body: unknown): Answer {
  const retry_after_s = readRetryAfter(retry_after);
  const wait = (reason: WaitReason, in_doubt: boolean): Answer => ({
    kind: "wait",
    reason,
    retry_after_s,
    in_doubt,
  });

  if (status >= 200 && status < 300) {
    const gift = readGift(body);
    if (gift === null) return wait("network", true);
    return gift.status === "failure" ? declined(gift, NO_PROBLEM) : { kind: "accepted", gift };
  }

  const parsed = ProblemAnswer.safeParse(body);
  const problem = parsed.success ? parsed.data : NO_PROBLEM;
  switch (status) {
    case 402:
      return declined(readGift(body), problem);
    case 409:
      if (problem.code === "possible_duplicate") {
        return { kind: "possible_duplicate", first_donation_id: problem.donation_id };
      }
      return wait("in_flight", true);
    case 422:
      if (problem.code === "key_reused") return { kind: "key_reused" };
      if (problem.errors.length > 0) return { kind: "invalid", errors: problem.errors };
      return refused(problem);
    case 428: {
      const challenge = readChallenge(problem.challenge);
      return challenge === null ? wait("busy", false) : { kind: "challenge", challenge };
    }
    case 429:
      return wait("throttled", false);
    case 503:
      // The contract: a 503 with these codes never follows a change of state for the key. A 503
      // without them comes from something in between, which knows nothing about the gift.
      if (problem.code === "charity_paused") return wait("on_break", false);
      return wait("busy", problem.code !== "unavailable" && problem.code !== "overloaded");
    case 408:
    case 425:
      return wait("network", true);
    default:
      return status >= 500 ? wait("busy", true) : refused(problem);
  }
}

function declined(gift: AnsweredGift | null, problem: ProblemBody): Answer {
  const code = gift?.code ?? problem.code;
  return {
    kind: "declined",
    gift: gift === null ? null : { ...gift, status: "failure" },
    code,
    message: gift?.error_message ?? problem.error_message ?? problem.detail,
  };
}

function refused(problem: ProblemBody): Answer {
  return {
    kind: "refused",
    code: problem.code ?? "unknown",
    detail: problem.detail ?? problem.title ?? "",
  };
}

function readGift(body: unknown): AnsweredGift | null {
  const gift = GiftAnswer.safeParse(body);
  return gift.success ? gift.data : null;
}

/** Seconds from a Retry-After header, which may also be a date (RFC 9110, 10.2.3). */
export function readRetryAfter(value: string | null, now_ms: number = Date.now()): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value);
  const at_ms = Date.parse(value);
  return Number.isNaN(at_ms) ? null : Math.max(0, Math.ceil((at_ms - now_ms) / 1000));
}
