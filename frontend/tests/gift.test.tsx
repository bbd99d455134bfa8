import { screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { expect, test, vi } from "vitest";

import { EventReader } from "@/features/gift/api/events";
import { delayMs } from "@/features/gift/keep-watch";
import { heldGift, holdGift } from "@/shared/gifts/held-gifts";
import { changeLanguage } from "@/shared/i18n/i18n";

import { openApp } from "./app";
import { CHARITY, DONATION_ID, GIFT, answerReads, answerStreams, server, type Streams } from "./server";

const LINK = `/gift/${DONATION_ID}#t=token-9`;
const UNDER_WAY = { ...GIFT, status: "processing", transaction_id: null, version: 5 } as const;
const PAID = { ...GIFT, version: 7 };

/** Counts the questions for the gift itself, each answered with the gift under way. */
function countReads(): () => number {
  let reads = 0;
  answerReads(() => {
    reads += 1;
    return UNDER_WAY;
  });
  return () => reads;
}

test("The link alone brings the gift back, and its token travels only in the header", async () => {
  const asked: { address: string; authorization: string | null }[] = [];
  server.use(
    http.get("*/donations/:id", ({ request }) => {
      asked.push({
        address: request.url,
        authorization: request.headers.get("Authorization"),
      });
      return HttpResponse.json(GIFT);
    }),
  );

  openApp(LINK);

  expect(await screen.findByTestId("gift-success")).toHaveTextContent("Clear Water");
  expect(asked).toEqual([
    {
      address: `http://almoner.test/donations/${DONATION_ID}`,
      authorization: "Bearer token-9",
    },
  ]);
});

test("A gift under way is asked about again and again, also while nothing changes", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ["setTimeout", "clearTimeout"] });
  let reads = 0;
  answerReads(() => {
    reads += 1;
    return reads < 6 ? { ...GIFT, status: "processing", transaction_id: null } : GIFT;
  });
  openApp(LINK);
  await screen.findByTestId("gift-processing");

  for (let step = 0; step < 10; step += 1) await vi.advanceTimersByTimeAsync(5_000);

  expect(await screen.findByTestId("gift-success")).toBeVisible();
  expect(reads).toBe(6);
});

test("Without its token a gift is not shown", async () => {
  openApp(`/gift/${DONATION_ID}`);

  expect(await screen.findByTestId("not-found")).toHaveTextContent("This link is not complete");
});

test("A link that opens nothing says so", async () => {
  answerReads(() => 404);

  openApp(LINK);

  expect(await screen.findByTestId("not-found")).toHaveTextContent("We find no gift");
});

test("A failed network is 'we do not know yet', never 'not charged'", async () => {
  server.use(http.get("*/donations/:id", () => HttpResponse.error()));

  openApp(LINK);

  expect(await screen.findByTestId("not-known")).toHaveTextContent("We do not know yet");
  expect(document.body).not.toHaveTextContent(/not charged|nothing was charged/i);
});

test("A payment that was given back is not called 'not charged'", async () => {
  answerReads(() => ({
    ...GIFT,
    status: "failure",
    transaction_id: null,
    code: "money_returned",
    error_message: "The payment was given back in full. Nothing of it was kept.",
  }));

  openApp(LINK);

  const shown = await screen.findByTestId("gift-failure");
  expect(shown).toHaveTextContent("given back to your card in full");
  expect(shown).not.toHaveTextContent(/not charged/i);
});

test("Only in the tab where the gift was written does a decline speak of what the form keeps", async () => {
  answerReads(() => ({ ...GIFT, status: "failure", transaction_id: null, code: "card_declined" }));

  openApp(LINK);

  const shown = await screen.findByTestId("gift-failure");
  expect(shown).toHaveTextContent("You were not charged.");
  expect(shown).not.toHaveTextContent("What you wrote is still in the form");
});

test("A gift that can be finished leads to where that is done", async () => {
  const finish_path = "/c/unicef-usa/give?finish=signed";
  answerReads(() => ({
    ...GIFT,
    status: "failure",
    transaction_id: null,
    code: "payment_details_expired",
    finish_path,
  }));

  openApp(LINK);

  const shown = await screen.findByTestId("gift-failure");
  expect(within(shown).getAllByRole("link")[0]).toHaveAttribute("href", finish_path);
});

test("An answer that is no gift is not believed", async () => {
  server.use(http.get("*/donations/:id", () => HttpResponse.json({ status: "success" })));

  openApp(LINK);

  expect(await screen.findByTestId("not-known")).toBeVisible();
});

test("What the server said before is shown while it cannot be reached", async () => {
  holdGift({ ...GIFT, read_token: "token-9", held_at_ms: Date.now() });
  server.use(http.get("*/donations/:id", () => HttpResponse.error()));

  openApp(`/gift/${DONATION_ID}`);

  expect(await screen.findByTestId("gift-success")).toHaveTextContent("sbx_1");
});

test.each([
  ["refunded", "This gift was paid back"],
  ["partially_refunded", "Part of this gift was paid back"],
  ["disputed", "This gift is being disputed"],
] as const)("A gift that is %s says so", async (status, words) => {
  answerReads(() => ({ ...GIFT, status }));

  openApp(LINK);

  expect(await screen.findByRole("heading", { name: words })).toBeVisible();
});

test("The pauses between questions grow from 2 to 15 seconds", () => {
  expect([0, 1, 2, 20].map(delayMs)).toEqual([2_000, 3_000, 4_500, 15_000]);
});

test("The charity is named in the reader's language", async () => {
  answerReads(() => GIFT);
  server.use(
    http.get("*/charities/:slug", () => HttpResponse.json({ ...CHARITY, name: "清水基金会" })),
  );
  await changeLanguage("zh-CN");

  openApp(LINK);

  await waitFor(() => {
    expect(screen.getByTestId("gift-success")).toHaveTextContent("清水基金会因您的支持");
  });
  expect(screen.getByTestId("facts")).not.toHaveTextContent("Clear Water");
});

test("The stream tells when the gift is paid; after the first answer nothing is asked", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ["setTimeout", "clearTimeout"] });
  const reads = countReads();
  const streams = answerStreams();
  openApp(LINK);
  await screen.findByTestId("gift-processing");
  await waitFor(() => {
    expect(streams.seen).toEqual([{ token: "Bearer token-9", last_event_id: "5" }]);
  });
  for (let step = 0; step < 6; step += 1) {
    streams.send(": nothing new\n\n");
    await vi.advanceTimersByTimeAsync(15_000);
  }

  streams.tell(PAID);

  expect(await screen.findByTestId("gift-success")).toBeVisible();
  expect(reads()).toBe(1);
  await waitFor(() => {
    expect(heldGift(DONATION_ID)?.status).toBe("success");
  });
});

test("An event may come in pieces, also cut within a letter", async () => {
  countReads();
  const streams = answerStreams();
  openApp(LINK);
  await waitFor(() => {
    expect(streams.seen).toHaveLength(1);
  });
  const text = `id: 7\nevent: donation\ndata: ${JSON.stringify({ ...PAID, charity_name: "清水" })}\n\n`;

  for (const byte of new TextEncoder().encode(text)) streams.sendBytes(new Uint8Array([byte]));

  expect(await screen.findByTestId("gift-success")).toHaveTextContent("清水 has a friend in you");
});

test("An older state than the one shown is dropped, whichever way it comes", async () => {
  holdGift({ ...PAID, status: "disputed", read_token: "token-9", held_at_ms: Date.now() });
  answerReads(() => UNDER_WAY);
  const streams = answerStreams();
  openApp(LINK);
  expect(await screen.findByTestId("gift-disputed")).toBeVisible();

  streams.tell({ ...GIFT, version: 6 });
  await new Promise((resolve) => setTimeout(resolve, 50));

  expect(screen.getByTestId("gift-disputed")).toBeVisible();
  expect(heldGift(DONATION_ID)?.status).toBe("disputed");
});

test("What a process without a database keeps does not take back what the form was told", async () => {
  holdGift({ ...GIFT, read_token: "token-9", held_at_ms: Date.now() });
  answerReads(() => ({ ...UNDER_WAY, version: 0 }));
  const streams = answerStreams();
  openApp(LINK);
  expect(await screen.findByTestId("gift-success")).toBeVisible();

  streams.tell({ ...UNDER_WAY, version: 0 });
  await new Promise((resolve) => setTimeout(resolve, 50));

  expect(screen.getByTestId("gift-success")).toBeVisible();
  expect(heldGift(DONATION_ID)?.status).toBe("success");
});

test("After the end of a stream the page comes back and says what it has seen", async () => {
  const reads = countReads();
  const streams = answerStreams();
  openApp(LINK);
  await waitFor(() => {
    expect(streams.seen).toHaveLength(1);
  });
  streams.tell({ ...UNDER_WAY, version: 6 });
  streams.send("retry: 500\n\n");
  streams.end();

  await waitFor(() => {
    expect(streams.seen[1]).toEqual({ token: "Bearer token-9", last_event_id: "6" });
  });
  streams.tell(PAID);

  expect(await screen.findByTestId("gift-success")).toBeVisible();
  expect(reads()).toBe(1);
});

test.each([
  [
    "breaks off",
    (streams: Streams) => {
      streams.breakOff();
      return Promise.resolve();
    },
  ],
  ["falls silent", () => vi.advanceTimersByTimeAsync(41_000).then(() => undefined)],
])("When a stream %s the page asks, then follows again", async (_, fail) => {
  vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ["setTimeout", "clearTimeout"] });
  const reads = countReads();
  const streams = answerStreams();
  openApp(LINK);
  await waitFor(() => {
    expect(streams.seen).toHaveLength(1);
  });

  await fail(streams);
  await vi.advanceTimersByTimeAsync(2_500);
  await waitFor(() => {
    expect(streams.seen).toHaveLength(2);
  });
  streams.tell(PAID);

  expect(await screen.findByTestId("gift-success")).toBeVisible();
  expect(reads()).toBe(2);
});

test("Where there is no stream the page asks, and tries a stream now and then", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ["setTimeout", "clearTimeout"] });
  const reads = countReads();
  let tries = 0;
  server.use(
    http.get("*/donations/:id/events", () => {
      tries += 1;
      return new HttpResponse("<html>a proxy</html>", { headers: { "Content-Type": "text/html" } });
    }),
  );
  openApp(LINK);
  await screen.findByTestId("gift-processing");

  for (let step = 0; step < 20; step += 1) await vi.advanceTimersByTimeAsync(3_000);

  expect(reads()).toBeGreaterThanOrEqual(7);
  expect(tries).toBe(2);
});

test("Who leaves the page ends the stream", async () => {
  countReads();
  const streams = answerStreams();
  const { close } = openApp(LINK);
  await waitFor(() => {
    expect(streams.seen).toHaveLength(1);
  });

  close();

  await waitFor(() => {
    expect(streams.left()).toBe(true);
  });
});

test("An event that is no gift is not believed", async () => {
  countReads();
  const streams = answerStreams();
  openApp(LINK);
  await waitFor(() => {
    expect(streams.seen).toHaveLength(1);
  });

  streams.send('data: {"status": "success"}\n\ndata: not even JSON\n\n');
  await new Promise((resolve) => setTimeout(resolve, 50));

  expect(screen.getByTestId("gift-processing")).toBeVisible();
});

test("Events are read as the standard says", () => {
  const reader = new EventReader();

  const read = reader.read("retry: 1500\n\n: a comment\n\nid: 3\ndata: a\ndata: b\n\ndata:c\n\ndata: d");

  expect(read).toEqual([{ data: "a\nb" }, { data: "c" }]);
  expect(reader.retry_ms).toBe(1_500);
  expect(reader.read("\n\n")).toEqual([{ data: "d" }]);
});
