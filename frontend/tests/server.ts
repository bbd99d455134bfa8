import { http, HttpResponse } from "msw";
import { setupServer } from "msw/node";

import type { Charity, Config, Gift } from "@/shared/api/types";
import type { GiftBody } from "@/shared/gifts/open-form";

export const CHARITY: Charity = {
  charity_id: 101,
  slug: "clear-water",
  name: "Clear Water",
  description: "Wells that last.",
  category: "health",
  country: "US",
  website: "https://www.clear-water.example/",
  register: { name: "us-irs", id: "530196605" },
  picture: null,
  currencies: ["USD", "JPY"],
  status: "active",
};

export const CONFIG: Config = {
  version: "0.1.0",
  gateway: "sandbox",
  sandbox: true,
  client: null,
  currencies: [
    { code: "USD", exponent: 2, min: "1.00", max: "50000.00" },
    { code: "JPY", exponent: 0, min: "100", max: "5000000" },
    { code: "EUR", exponent: 2, min: "1.00", max: "50000.00" },
  ],
  default_currency: "USD",
  donor_wait_seconds: 12,
  languages: ["en", "zh-CN"],
  test_card: { number: "4111 1111 1111 1111", expiry: "12/30", cvv: "123" },
  categories: [{ key: "health", title: { en: "Health", "zh-CN": "医疗健康" } }],
};

export const DONATION_ID = "0198c0de-7a11-7000-8000-000000000001";

export const GIFT: Gift = {
  donation_id: DONATION_ID,
  status: "success",
  amount: "25.00",
  currency: "USD",
  charity_id: 101,
  charity_name: "Clear Water",
  charity_slug: "clear-water",
  donation_timestamp: "2026-11-22T21:40:11Z",
  transaction_id: "sbx_1",
  error_message: null,
  code: null,
};

export const server = setupServer(
  // No stream unless a test has one: the page then asks.
  http.get("*/donations/:id/events", () => problem(503, "overloaded")()),
  http.get("*/config", () => HttpResponse.json(CONFIG)),
  http.get("*/donation-form", () => HttpResponse.json(newTicket())),
  http.get("*/charities", () => HttpResponse.json({ items: [CHARITY], next: null })),
  http.get("*/charities/:slug", ({ params }) =>
    params["slug"] === CHARITY.slug
      ? HttpResponse.json(CHARITY)
      : HttpResponse.json({ code: "not_found", title: "Not found", status: 404 }, { status: 404 }),
  ),
);

let tickets = 0;

/** What GET /donation-form answers; another one each time. */
export function newTicket(age_min_seconds = 0) {
  tickets += 1;
  return {
    form_token: `ticket-${tickets}`,
    expires_at: "2026-11-23T21:40:11Z",
    age_min_seconds,
  };
}

/** Answers GET /donation-form with this. */
export function answerTickets(reply: Reply): void {
  server.use(http.get("*/donation-form", reply));
}

/** One POST /donations as the server saw it. */
export interface SeenPost {
  key: string | null;
  body: GiftBody;
  text: string;
}

type Reply = () => Response | Promise<Response>;

/** Answers each POST /donations with the next reply (the last one for ever) and notes it. */
export function answerGifts(...replies: Reply[]): SeenPost[] {
  const seen: SeenPost[] = [];
  server.use(
    http.post("*/donations", async ({ request }) => {
      const text = await request.text();
      const key = request.headers.get("Idempotency-Key");
      seen.push({ key, body: JSON.parse(text) as GiftBody, text });
      const reply = replies[Math.min(seen.length, replies.length) - 1];
      if (reply === undefined) throw new Error("no reply was given");
      return reply();
    }),
  );
  return seen;
}

export function answerReads(gift: () => Gift | number): void {
  server.use(
    http.get("*/donations/:id", () => {
      const told = gift();
      if (typeof told === "number") {
        return HttpResponse.json({ code: "x", title: "x", status: told }, { status: told });
      }
      return HttpResponse.json(told);
    }),
  );
}

/** Streams of a gift, one for each time that the page opens one, and what it asked with. */
export interface Streams {
  seen: { token: string | null; last_event_id: string | null }[];
  /** Sends text into the newest stream. */
  send: (text: string) => void;
  sendBytes: (bytes: Uint8Array) => void;
  /** Sends a gift into the newest stream. */
  tell: (gift: Gift) => void;
  /** Ends the newest stream as the server does, or breaks it off. */
  end: () => void;
  breakOff: () => void;
  /** Whether the page has left the newest stream. */
  left: () => boolean;
}

/** Answers each GET .../events with a stream that the test feeds. */
export function answerStreams(): Streams {
  const seen: Streams["seen"] = [];
  const encoder = new TextEncoder();
  let newest: ReadableStreamDefaultController<Uint8Array> | undefined;
  let left = false;
  const sendBytes = (bytes: Uint8Array) => newest?.enqueue(bytes);
  const send = (text: string) => sendBytes(encoder.encode(text));
  server.use(
    http.get("*/donations/:id/events", ({ request }) => {
      seen.push({
        token: request.headers.get("Authorization"),
        last_event_id: request.headers.get("Last-Event-ID"),
      });
      request.signal.addEventListener("abort", () => {
        left = true;
      });
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          newest = controller;
        },
      });
      return new HttpResponse(body, { headers: { "Content-Type": "text/event-stream" } });
    }),
  );
  return {
    seen,
    send,
    sendBytes,
    left: () => left,
    tell: (gift) => {
      send(`id: ${String(gift.version)}\nevent: donation\ndata: ${JSON.stringify(gift)}\n\n`);
    },
    end: () => newest?.close(),
    breakOff: () => newest?.error(new Error("broken off")),
  };
}

export const paid: Reply = () =>
  HttpResponse.json({ ...GIFT, read_token: "token-1" }, { status: 201 });

export const processing: Reply = () =>
  HttpResponse.json(
    { ...GIFT, status: "processing", transaction_id: null, read_token: "token-1" },
    { status: 202, headers: { "Retry-After": "2" } },
  );

export const declined: Reply = () =>
  HttpResponse.json(
    {
      ...GIFT,
      status: "failure",
      type: "urn:almoner:problem:declined",
      title: "The gift was not charged",
      code: "insufficient_funds",
      error_message: "Insufficient funds",
      transaction_id: null,
      read_token: "token-1",
    },
    { status: 402 },
  );

export function problem(
  status: number,
  code: string,
  members: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Reply {
  return () =>
    HttpResponse.json({ type: `urn:almoner:problem:${code}`, title: code, status, code, ...members }, {
      status,
      headers: { "Content-Type": "application/problem+json", ...headers },
    });
}

export const noAnswer: Reply = () => HttpResponse.error();

/** Keeps a request open until the test lets it go. */
export function held(reply: Reply): { reply: Reply; release: () => void } {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((open) => {
    release = open;
  });
  return {
    reply: async () => {
      await gate;
      return reply();
    },
    release: () => {
      release();
    },
  };
}
