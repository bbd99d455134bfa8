import type { Gift } from "@/shared/api/types";
import { readSession, writeSession } from "@/shared/storage/session";

/** A gift of this tab as the server last told it, with the token that opens its page. */
export interface HeldGift extends Gift {
  read_token: string;
  /** When the answer came, in milliseconds; the server's own time is `donation_timestamp`. */
  held_at_ms: number;
}

const KEY = "almoner.gifts";
const TOKENS_KEY = "almoner.gift-tokens";
const KEPT = 20;

export function heldGifts(): HeldGift[] {
  const kept = readSession(KEY);
  return Array.isArray(kept) ? (kept as HeldGift[]) : [];
}

export function holdGift(gift: HeldGift): void {
  const others = heldGifts().filter((held) => held.donation_id !== gift.donation_id);
  writeSession(KEY, [...others, gift].slice(-KEPT));
}

export function heldGift(donation_id: string): HeldGift | null {
  return heldGifts().find((held) => held.donation_id === donation_id) ?? null;
}

/** The newest gift to a charity that was paid or may yet be, for "You gave X at T". */
export function lastGiftTo(slug: string): HeldGift | null {
  const given = heldGifts().filter(
    (held) =>
      held.charity_slug === slug &&
      (held.status === "success" || held.status === "processing" || held.status === "pending"),
  );
  return given.at(-1) ?? null;
}

/** Keeps a token that came with a link, so that a page opened from a mail survives a reload. */
export function holdToken(donation_id: string, read_token: string): void {
  if (tokenOf(donation_id) === read_token) return;
  writeSession(TOKENS_KEY, { ...tokens(), [donation_id]: read_token });
}

export function tokenOf(donation_id: string): string | null {
  return tokens()[donation_id] ?? heldGift(donation_id)?.read_token ?? null;
}

/** The page of a gift. The token sits in the fragment, which no browser sends to a server. */
export function giftAddress(donation_id: string, read_token: string | null): string {
  const fragment = read_token === null ? "" : `#t=${encodeURIComponent(read_token)}`;
  return `/gift/${encodeURIComponent(donation_id)}${fragment}`;
}

function tokens(): Record<string, string> {
  const kept = readSession(TOKENS_KEY);
  return typeof kept === "object" && kept !== null ? (kept as Record<string, string>) : {};
}
