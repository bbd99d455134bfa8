import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse } from "msw";
import { expect, test } from "vitest";

import { changeLanguage } from "@/shared/i18n/i18n";

import { fillForm, giveButton, openApp } from "./app";
import { CHALLENGE, SOLUTION } from "./challenge";
import {
  GIFT,
  answerGifts,
  answerReads,
  answerTickets,
  declined,
  held,
  newTicket,
  noAnswer,
  paid,
  problem,
} from "./server";

const FORM = "/c/clear-water/give";

interface Kept {
  key: string;
  ticket?: { form_token: string; usable_until_ms: number };
}

const kept = () =>
  JSON.parse(sessionStorage.getItem("almoner.form.clear-water") ?? "null") as Kept | null;

async function hasTicket(): Promise<string> {
  await waitFor(() => {
    expect(kept()?.ticket).toBeDefined();
  });
  return kept()?.ticket?.form_token ?? "";
}

test("A form takes a ticket when it opens, and sends it with its gift as long as it takes", async () => {
  const seen = answerGifts(problem(503, "unavailable", {}, { "Retry-After": "30" }), paid);
  answerReads(() => GIFT);
  openApp(FORM);
  const token = await hasTicket();

  const user = await fillForm();
  await user.click(giveButton());
  await user.click(await screen.findByRole("button", { name: "Try now" }));
  await screen.findByTestId("gift-success");

  expect(seen.map(({ body }) => body.form_token)).toEqual([token, token]);
});

test("A reload keeps the ticket, a decline brings a new one with the new key", async () => {
  const seen = answerGifts(declined, paid);
  answerReads(() => ({ ...GIFT, status: "failure", code: "card_declined", transaction_id: null }));
  const first = openApp(FORM);
  const token = await hasTicket();
  first.close();
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByTestId("decline-reason");

  await user.click(screen.getByRole("link", { name: "Try again" }));
  answerReads(() => GIFT);
  await user.click(await screen.findByRole("button", { name: "Fill in the test card" }));
  const second = await hasTicket();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(second).not.toBe(token);
  expect(seen.map(({ body }) => body.form_token)).toEqual([token, second]);
  expect(seen[1]?.key).not.toBe(seen[0]?.key);
});

test("Without a ticket giving works by the key alone", async () => {
  answerTickets(noAnswer);
  const seen = answerGifts(paid);
  answerReads(() => GIFT);
  openApp(FORM);

  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(seen[0]?.key).toBeTruthy();
  expect(seen[0]?.body).not.toHaveProperty("form_token");
});

test("A gift that left without a ticket stays without: it would become another gift", async () => {
  const gate = held(() => HttpResponse.json(newTicket()));
  answerTickets(gate.reply);
  const seen = answerGifts(noAnswer, paid);
  answerReads(() => GIFT);
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByText("Still trying");

  gate.release();
  await user.click(screen.getByRole("button", { name: "Try now" }));
  await screen.findByTestId("gift-success");

  expect(seen).toHaveLength(2);
  expect(seen[1]?.text).toBe(seen[0]?.text);
  expect(seen[0]?.body).not.toHaveProperty("form_token");
});

test("A form that was open for a day takes another ticket", async () => {
  const seen = answerGifts(paid);
  answerReads(() => GIFT);
  const first = openApp(FORM);
  const token = await hasTicket();
  const form = kept();
  first.close();
  sessionStorage.setItem(
    "almoner.form.clear-water",
    JSON.stringify({ ...form, ticket: { ...form?.ticket, usable_until_ms: Date.now() - 1 } }),
  );
  openApp(FORM);
  await waitFor(() => {
    expect(kept()?.ticket?.form_token).not.toBe(token);
  });

  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(seen[0]?.body.form_token).toMatch(/^ticket-/);
  expect(seen[0]?.body.form_token).not.toBe(token);
});

test("A ticket that the server finds too old is given up, and the donor is asked to press again", async () => {
  const expired = [{ field: "form_token", code: "expired", message: "Too old." }];
  const seen = answerGifts(problem(422, "invalid", { errors: expired }), paid);
  answerReads(() => GIFT);
  openApp(FORM);
  const token = await hasTicket();
  const user = await fillForm();
  await user.click(giveButton());
  expect(await screen.findByTestId("error-summary")).toHaveTextContent(
    "This form was open for too long. Please press the button again.",
  );

  const second = await hasTicket();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(seen.map(({ body }) => body.form_token)).toEqual([token, second]);
  expect(seen[1]?.key).not.toBe(seen[0]?.key);
});

test("A very quick hand waits until the form is old enough", async () => {
  answerTickets(() => HttpResponse.json(newTicket(4)));
  let sent_at_ms = 0;
  answerGifts(() => {
    sent_at_ms = Date.now();
    return paid();
  });
  answerReads(() => GIFT);
  const opened_at_ms = Date.now();
  openApp(FORM);
  await hasTicket();

  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(sent_at_ms - opened_at_ms).toBeGreaterThanOrEqual(4_000);
});

test("A challenge is solved without the donor doing anything, saying so", async () => {
  const asked = held(problem(428, "challenge_needed", { challenge: CHALLENGE }));
  const gate = held(paid);
  const seen = answerGifts(asked.reply, gate.reply);
  answerReads(() => GIFT);
  openApp(FORM);
  const user = await fillForm();
  const told: string[] = [];
  const watch = new MutationObserver(() => {
    const panel = screen.queryByTestId("sending");
    if (panel?.dataset["phase"] === "checking") told.push(panel.textContent);
  });
  watch.observe(document.body, { subtree: true, childList: true, attributes: true });

  await user.click(giveButton());
  asked.release();
  await waitFor(() => {
    expect(seen).toHaveLength(2);
  });
  gate.release();
  await screen.findByTestId("gift-success");
  watch.disconnect();

  expect(told[0]).toContain("One moment: we check that you are a person");
  expect(told[0]).toContain("You need not do anything.");
  expect(seen[1]?.key).toBe(seen[0]?.key);
  const { challenge_solution, ...rest } = seen[1]?.body as unknown as Record<string, string>;
  expect(rest).toEqual(seen[0]?.body);
  expect(JSON.parse(atob(challenge_solution ?? ""))).toEqual({
    challenge: CHALLENGE,
    solution: SOLUTION,
  });
});

test("While the page takes a break it says so and tries again", async () => {
  answerGifts(problem(503, "charity_paused", {}, { "Retry-After": "60" }));
  await changeLanguage("zh-CN");
  openApp(FORM);
  const user = userEvent.setup();
  await user.click(await screen.findByRole("button", { name: "填入测试卡" }));
  await user.type(screen.getByLabelText("金额"), "25");
  await user.type(screen.getByLabelText("名"), "John");
  await user.type(screen.getByLabelText("姓"), "Doe");
  await user.type(screen.getByLabelText("电子邮箱"), "john@example.com");

  await user.click(giveButton());

  expect(await screen.findByText("对该机构的捐款暂停片刻，稍后我们会自动重试。")).toBeVisible();
});

test("What stands in the field that no person sees is sent, and no one can reach it", async () => {
  const seen = answerGifts(paid);
  answerReads(() => GIFT);
  openApp(FORM);
  const user = await fillForm();
  expect(screen.queryByRole("textbox", { name: "Website" })).toBeNull();
  const trap = document.querySelector<HTMLInputElement>("#website");
  expect(trap).toHaveAttribute("tabindex", "-1");

  if (trap) trap.value = "https://spam.example";
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(seen[0]?.body.website).toBe("https://spam.example");
});
