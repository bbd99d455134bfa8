import type { GiftStatus } from "@/shared/api/types";

import type { Challenge } from "./solve/challenge";

/** One field that the server could not use. */
export interface FieldError {
  field: string;
  code: string;
  message: string;
}

/** A gift as an answer to POST /donations tells it. */
export interface AnsweredGift {
  donation_id: string;
  read_token: string;
  status: GiftStatus;
  amount: string | null;
  currency: string | null;
  charity_id: number | null;
  charity_name: string | null;
  transaction_id: string | null;
  donation_timestamp: string | null;
  error_message: string | null;
  code: string | null;
}

/** Why the same gift must be sent again, unchanged. */
export type WaitReason = "network" | "busy" | "throttled" | "in_flight" | "on_break";

/** What one POST /donations has told us. `wait` and `challenge` leave the gift open. */
export type Answer =
  | { kind: "accepted"; gift: AnsweredGift }
  | { kind: "declined"; gift: AnsweredGift | null; code: string | null; message: string | null }
  | { kind: "possible_duplicate"; first_donation_id: string | null }
  | { kind: "invalid"; errors: FieldError[] }
  | { kind: "key_reused" }
  | { kind: "refused"; code: string; detail: string }
  /** Nothing was kept: the same again, with the solution. */
  | { kind: "challenge"; challenge: Challenge }
  | {
      kind: "wait";
      reason: WaitReason;
      retry_after_s: number | null;
      /** True unless this answer proves that the server kept nothing. */
      in_doubt: boolean;
    };

export type FinalAnswer = Exclude<Answer, { kind: "wait" | "challenge" }>;
