import { screen } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";

import { delayMs } from "@/features/gift/use-gift";
import { holdGift } from "@/shared/gifts/held-gifts";

import { openApp } from "./app";
import { DONATION_ID, GIFT, answerReads, server } from "./server";

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
