import * as z from "zod/mini";

import type { Ticket } from "@/shared/gifts/open-form";

const TICKET_MS_MAX = 5_000;
/** An hour less than the day that the server gives. */
const TICKET_USE_MS = 23 * 3_600_000;

const TicketAnswer = z.object({
  form_token: z.string(),
  age_min_seconds: z._default(z.number(), 0),
});

/** Takes the ticket of a form. Null when none can be had: giving works without one. */
export async function takeTicket(): Promise<Ticket | null> {
  const control = new AbortController();
  const timer = setTimeout(() => {
    control.abort();
  }, TICKET_MS_MAX);
  try {
    const asked_at_ms = Date.now();
    const response = await fetch(new URL("/donation-form", globalThis.location.origin), {
      headers: { Accept: "application/json" },
      signal: control.signal,
      credentials: "same-origin",
      cache: "no-store",
    });
    const read = TicketAnswer.safeParse(response.ok ? await response.json() : null);
    if (!read.success) return null;
    return {
      form_token: read.data.form_token,
      // By our own clock, which need not be right: only what has passed since counts.
      taken_at_ms: Date.now(),
      usable_until_ms: asked_at_ms + TICKET_USE_MS,
      age_min_ms: read.data.age_min_seconds * 1000,
    };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
