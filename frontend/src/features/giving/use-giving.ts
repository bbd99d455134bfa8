import { useCallback, useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";

import {
  type GiftBody,
  type OpenForm,
  type SentGift,
  keepForm,
  openForm,
  peekForm,
  renewForm,
} from "@/shared/gifts/open-form";

import { postDonation } from "./api/post-donation";
import { type GiftInFlight, type Sending, sendGift } from "./send-gift";
import { type FormProblem, settleGift } from "./settle-gift";
import type { Challenge } from "./solve/challenge";
import { ensureTicket, oldEnough, ticketFor } from "./ticket";

/** Hardly any donor is ever asked for work, so what does it is loaded only then. */
async function solveLater(challenge: Challenge): Promise<string | null> {
  try {
    const { solveChallenge } = await import("./solve/solve-challenge");
    return await solveChallenge(challenge);
  } catch {
    return null;
  }
}

export type GivingState =
  | { step: "editing"; problem: FormProblem | null }
  | { step: "flying"; sent: SentGift; sending: Sending }
  | { step: "asking"; sent: SentGift; first_donation_id: string | null };

export interface Giving {
  /** The form as it was when the page opened, with the draft to start from. */
  opened: OpenForm;
  state: GivingState;
  /** Sends a gift. While one is on its way, a second call does nothing. */
  give: (body: GiftBody, charity_name: string) => void;
  tryNow: () => void;
  /** Back to the form; only offered while nothing can have been taken. */
  change: () => void;
}

/** The life of one donation form, from opening to the answer, over reloads and lost lines. */
export function useGiving(slug: string): Giving {
  const navigate = useNavigate();
  const [opened] = useState(() => openForm(slug));
  const [state, setState] = useState<GivingState>(() =>
    opened.sent === null
      ? { step: "editing", problem: null }
      : { step: "flying", sent: opened.sent, sending: { phase: "sending" } },
  );
  const flight = useRef<GiftInFlight | null>(null);
  const mounted = useRef(false);

  const launch = useCallback(
    (key: string, sent: SentGift) => {
      const inFlight = sendGift({
        sent,
        post: async (solution) => {
          await oldEnough(slug, sent.body.form_token);
          return postDonation(key, sent.body, solution);
        },
        solve: solveLater,
        keep: (known) => {
          const form = peekForm(slug);
          if (form?.key === key) keepForm(slug, { ...form, sent: known });
        },
        onSending: (sending) => {
          if (mounted.current) setState({ step: "flying", sent, sending });
        },
      });
      flight.current = inFlight;
      void inFlight.answer.then((answer) => {
        if (flight.current === inFlight) flight.current = null;
        if (answer === null) return;
        // Even when the donor has gone elsewhere: the answer must not be lost.
        const next = settleGift(slug, key, sent, answer);
        if (!mounted.current) return;
        if (next.to === "gift") {
          // Replaced, not pushed: Back must not lead to a form that has been sent.
          void navigate(next.address, { replace: true });
        } else if (next.to === "question") {
          setState({ step: "asking", sent, first_donation_id: next.first_donation_id });
        } else {
          void ensureTicket(slug);
          setState({ step: "editing", problem: next.problem });
        }
      });
    },
    [navigate, slug],
  );

  useEffect(() => {
    mounted.current = true;
    const kept = peekForm(slug);
    if (kept?.sent) launch(kept.key, kept.sent);
    else void ensureTicket(slug);
    return () => {
      mounted.current = false;
      flight.current?.stop();
      flight.current = null;
    };
  }, [launch, slug]);

  const give = useCallback(
    (body: GiftBody, charity_name: string) => {
      if (flight.current !== null) return;
      const form = openForm(slug);
      const form_token = body.form_token ?? ticketFor(form);
      const named = form_token === undefined ? body : { ...body, form_token };
      const sent: SentGift = { body: named, charity_name, in_doubt: false };
      // Written down before the first byte leaves: a reload must find key and contents.
      const { key } = keepForm(slug, { ...form, sent });
      launch(key, sent);
    },
    [launch, slug],
  );

  const tryNow = useCallback(() => {
    flight.current?.tryNow();
  }, []);

  useEffect(() => {
    window.addEventListener("online", tryNow);
    return () => {
      window.removeEventListener("online", tryNow);
    };
  }, [tryNow]);

  const change = useCallback(() => {
    flight.current?.stop();
    flight.current = null;
    renewForm(slug);
    void ensureTicket(slug);
    setState({ step: "editing", problem: null });
  }, [slug]);

  return { opened, state, give, tryNow, change };
}
