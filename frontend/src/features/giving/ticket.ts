import { type OpenForm, keepForm, peekForm } from "@/shared/gifts/open-form";

import { takeTicket } from "./api/take-ticket";

/** Takes a ticket for an open form that has none, in the background. */
export async function ensureTicket(slug: string): Promise<void> {
  const before = peekForm(slug);
  if (before?.sent !== null || ticketFor(before) !== undefined) return;
  const ticket = await takeTicket();
  const now = peekForm(slug);
  // A gift that has left without a ticket stays without: it would become another gift.
  if (ticket === null || now?.sent !== null || now.key !== before.key) return;
  keepForm(slug, { ...now, ticket });
}

/** The ticket to send with a form, while it is good. */
export function ticketFor({ ticket }: OpenForm): string | undefined {
  if (!ticket || Date.now() >= ticket.usable_until_ms) return undefined;
  return ticket.form_token;
}

/** Waits until the form of this ticket may come back. A very quick hand is no script. */
export async function oldEnough(slug: string, form_token: string | undefined): Promise<void> {
  const ticket = peekForm(slug)?.ticket;
  if (!ticket || ticket.form_token !== form_token) return;
  const wait_ms = Math.min(ticket.taken_at_ms + ticket.age_min_ms - Date.now(), ticket.age_min_ms);
  if (wait_ms <= 0) return;
  await new Promise((resume) => {
    setTimeout(resume, wait_ms);
  });
}
