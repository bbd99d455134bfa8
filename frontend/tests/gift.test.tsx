import { screen, waitFor } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { expect, test, vi } from "vitest";

import { delayMs } from "@/features/gift/use-gift";
import { holdGift } from "@/shared/gifts/held-gifts";
import { changeLanguage } from "@/shared/i18n/i18n";

import { openApp } from "./app";
import { CHARITY, DONATION_ID, GIFT, answerReads, server } from "./server";

const LINK = `/gift/${DONATION_ID}#t=token-9`;

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
