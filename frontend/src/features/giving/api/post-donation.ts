import type { GiftBody } from "@/shared/gifts/open-form";

import type { Answer } from "../answer";
import { readAnswer } from "../read-answer";

/** Longer than the server's own wait (12 s), so that it is the server who says "not known yet". */
const ANSWER_MS_MAX = 30_000;

/** Sends one gift once. Never throws: silence is an answer too, and means "not known". */
export async function postDonation(
  key: string,
  body: GiftBody,
  challenge_solution: string | null = null,
): Promise<Answer> {
  const control = new AbortController();
  const timer = setTimeout(() => {
    control.abort();
  }, ANSWER_MS_MAX);
  try {
    const response = await fetch(new URL("/donations", globalThis.location.origin), {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json, application/problem+json",
        "Idempotency-Key": key,
      },
      body: JSON.stringify(challenge_solution === null ? body : { ...body, challenge_solution }),
      signal: control.signal,
      credentials: "same-origin",
    });
    const told: unknown = await response.json().catch(() => null);
    return readAnswer(response.status, response.headers.get("Retry-After"), told);
  } catch {
    return { kind: "wait", reason: "network", retry_after_s: null, in_doubt: true };
  } finally {
    clearTimeout(timer);
  }
}
