import type { Gift } from "@/shared/api/types";
import { tokenOf } from "@/shared/gifts/held-gifts";

import { EventReader } from "./events";
import { readGift } from "./read-gift";

/** The server sends a sign of life every 15 s: after this long the stream is dead. */
const SILENCE_MS = 40_000;
const RETRY_MS = 2_000;
const RETRY_MS_LEAST = 500;
const RETRY_MS_MOST = 30_000;

/** How a stream came to its end. */
export type End =
  /** As it should: the server asks the page to come back after so long, if anything is left. */
  | { how: "ended"; retry_ms: number }
  /** There is no stream to be had: the page has to ask. */
  | { how: "refused" }
  /** It broke off or fell silent. */
  | { how: "lost" };

interface Following {
  donation_id: string;
  /** The version of the gift that the page shows. */
  seen: number;
  /** Ends the stream when the page goes. */
  signal: AbortSignal;
  onGift: (gift: Gift) => void;
}

/**
 * Follows a gift until the stream ends, and tells how it ended.
 *
 * With fetch and not with EventSource: that cannot send the token in a header, and in an address
 * it has no business.
 */
export async function followGift(following: Following): Promise<End> {
  const over = new AbortController();
  const end = () => {
    over.abort();
  };
  following.signal.addEventListener("abort", end);
  let timer = setTimeout(end, SILENCE_MS);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(end, SILENCE_MS);
  };
  try {
    const body = await open(following, over.signal);
    if (body === null) return { how: "refused" };
    return await listen(body, heard, following.onGift, over.signal);
  } catch {
    return { how: "lost" };
  } finally {
    clearTimeout(timer);
    following.signal.removeEventListener("abort", end);
    // Whatever is left of the answer is of no use, and keeps a connection.
    end();
  }
}

async function open({ donation_id, seen }: Following, signal: AbortSignal) {
  const address = `/donations/${encodeURIComponent(donation_id)}/events`;
  const response = await fetch(new URL(address, globalThis.location.origin), {
    headers: {
      Accept: "text/event-stream",
      Authorization: `Bearer ${tokenOf(donation_id) ?? ""}`,
      ...(seen > 0 ? { "Last-Event-ID": String(seen) } : {}),
    },
    cache: "no-store",
    credentials: "same-origin",
    signal,
  });
  const is_stream = response.headers.get("Content-Type")?.startsWith("text/event-stream") ?? false;
  return response.ok && is_stream ? response.body : null;
}

async function listen(
  body: ReadableStream<Uint8Array>,
  heard: () => void,
  onGift: (gift: Gift) => void,
  over: AbortSignal,
): Promise<End> {
  const pieces = body.getReader();
  over.addEventListener("abort", () => void pieces.cancel().catch(() => undefined));
  const decoder = new TextDecoder();
  const events = new EventReader();
  for (;;) {
    const { done, value } = await pieces.read();
    if (over.aborted) return { how: "lost" };
    if (done) return { how: "ended", retry_ms: retryMs(events.retry_ms) };
    heard();
    for (const { data } of events.read(decoder.decode(value, { stream: true }))) {
      const gift = readGift(parse(data));
      if (gift !== null) onGift(gift);
    }
  }
}

function retryMs(asked_ms: number | null): number {
  return Math.min(Math.max(asked_ms ?? RETRY_MS, RETRY_MS_LEAST), RETRY_MS_MOST);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
