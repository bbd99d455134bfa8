import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";

import { fillForm, giveButton, openApp } from "./app";
import {
  CONFIG,
  DONATION_ID,
  GIFT,
  answerGifts,
  answerReads,
  declined,
  held,
  noAnswer,
  paid,
  problem,
  processing,
} from "./server";

const FORM = "/c/clear-water/give";
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const storedKey = () =>
  (JSON.parse(sessionStorage.getItem("almoner.form.clear-water") ?? "{}") as { key?: string }).key;
const storedTexts = () =>
  Array.from({ length: sessionStorage.length }, (_, i) =>
    sessionStorage.getItem(sessionStorage.key(i) ?? ""),
  );

test("A gift is sent with its key and without the card, and the thank-you page takes over", async () => {
  const seen = answerGifts(paid);
  answerReads(() => GIFT);
  const { router } = openApp(FORM);

  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(seen).toHaveLength(1);
  expect(seen[0]?.key).toMatch(UUID7);
  expect(seen[0]?.body).toEqual({
    amount: "25.00",
    currency: "USD",
    first_name: "John",
    last_name: "Doe",
    email: "john@example.com",
    charity_id: 101,
    payment_method_nonce: "fake-valid-visa-nonce",
    locale: "en",
    form_token: expect.stringMatching(/^ticket-\d+$/) as string,
  });
  expect(router.state.location.pathname + router.state.location.hash).toBe(
    `/gift/${DONATION_ID}#t=token-1`,
  );
  expect(screen.getByTestId("facts")).toHaveTextContent("sbx_1");
});

test("The card number is in no request, no storage and not in the store", async () => {
  const gate = held(paid);
  const seen = answerGifts(gate.reply);
  answerReads(() => GIFT);
  const { store } = openApp(FORM);

  const user = await fillForm();
  await user.click(giveButton());
  await waitFor(() => {
    expect(seen).toHaveLength(1);
  });

  // The published test card is part of the settings, and the only one in the store.
  const state = JSON.stringify(store.getState()).replace(JSON.stringify(CONFIG), "");
  const everything = [seen[0]?.text, state, ...storedTexts()];
  expect(everything.join(" ").replaceAll(/[\s-]/g, "")).not.toContain("4111");
  gate.release();
  await screen.findByTestId("gift-success");
});

test("A double click sends one request", async () => {
  const gate = held(paid);
  const seen = answerGifts(gate.reply);
  answerReads(() => GIFT);
  openApp(FORM);

  const user = await fillForm();
  const button = giveButton();
  button.click();
  button.click();
  await user.dblClick(button);
  await screen.findByTestId("sending");
  gate.release();
  await screen.findByTestId("gift-success");

  expect(seen).toHaveLength(1);
});

test("The key is written down before anything is sent", async () => {
  let stored: string | undefined;
  const seen = answerGifts(() => {
    stored = storedKey();
    return paid();
  });
  answerReads(() => GIFT);
  openApp(FORM);

  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(stored).toBe(seen[0]?.key);
});

test("A reload during the flight sends the same gift under the same key and shows its answer", async () => {
  const gate = held(paid);
  const seen = answerGifts(gate.reply, paid);
  answerReads(() => GIFT);
  const first = openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByText(/Reloading this page is safe/);

  first.close();
  openApp(FORM);
  await screen.findByTestId("gift-success");

  expect(seen).toHaveLength(2);
  expect(seen[1]?.key).toBe(seen[0]?.key);
  expect(seen[1]?.text).toBe(seen[0]?.text);
  gate.release();
});

test("A reload of a half-filled form keeps the key and what was written", async () => {
  const first = openApp(FORM);
  await fillForm();
  const key = storedKey();

  first.close();
  openApp(FORM);

  expect(await screen.findByLabelText("Email")).toHaveValue("john@example.com");
  expect(screen.getByLabelText("Amount")).toHaveValue("25");
  expect(await screen.findByLabelText("Card number")).toHaveValue("");
  expect(key).toMatch(UUID7);
  expect(storedKey()).toBe(key);
});

test("A decline shows the reason; trying again keeps the fields, empties the card, takes a new key", async () => {
  const seen = answerGifts(declined, paid);
  answerReads(() => ({ ...GIFT, status: "failure", code: "insufficient_funds", transaction_id: null }));
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  expect(await screen.findByTestId("decline-reason")).toHaveTextContent("not enough money");

  await user.click(screen.getByRole("link", { name: "Try again" }));
  expect(await screen.findByLabelText("Email")).toHaveValue("john@example.com");
  expect(await screen.findByLabelText("Card number")).toHaveValue("");
  answerReads(() => GIFT);
  await user.click(screen.getByRole("button", { name: "Fill in the test card" }));
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  expect(seen).toHaveLength(2);
  expect(seen[1]?.key).toMatch(UUID7);
  expect(seen[1]?.key).not.toBe(seen[0]?.key);
});

test("A 503 is waited out and sent again under the same key, saying so", async () => {
  const seen = answerGifts(problem(503, "unavailable", {}, { "Retry-After": "30" }), paid);
  answerReads(() => GIFT);
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  const panel = await screen.findByTestId("sending");
  expect(await within(panel).findByText(/Nothing has been charged so far/)).toBeVisible();
  expect(within(panel).getByText(/Next try in \d+ seconds/)).toBeVisible();

  await user.click(within(panel).getByRole("button", { name: "Try now" }));
  await screen.findByTestId("gift-success");

  expect(seen.map(({ key }) => key)).toEqual([seen[0]?.key, seen[0]?.key]);
  expect(seen[1]?.text).toBe(seen[0]?.text);
});

test("After a 503 the gift may be changed, after silence it may not", async () => {
  answerGifts(problem(503, "unavailable", {}, { "Retry-After": "30" }), noAnswer);
  openApp(FORM);
  const user = await fillForm();
  const key = storedKey();
  await user.click(giveButton());

  await user.click(await screen.findByRole("button", { name: "Stop and change the gift" }));
  expect(screen.getByLabelText("Card number")).toHaveValue("4111 1111 1111 1111");
  expect(screen.getByRole("heading", { level: 1 })).toHaveFocus();
  expect(storedKey()).toMatch(UUID7);
  expect(storedKey()).not.toBe(key);
  await user.click(giveButton());

  expect(await screen.findByText(/We do not know yet what became of your gift/)).toBeVisible();
  expect(screen.getByText(/We do not know yet whether you were charged/)).toBeVisible();
  expect(screen.queryByRole("button", { name: "Stop and change the gift" })).toBeNull();
  expect(document.body).not.toHaveTextContent(/not charged|nothing (was|has been) charged/i);
});

test.each([
  ["42", "Next try in 42 seconds"],
  ["1800", "Next try in 30 minutes"],
  ["52000", "Next try in 15 hours"],
])("A limit says when the next try is: after %s s", async (retry_after, words) => {
  answerGifts(problem(429, "too_many_requests", {}, { "Retry-After": retry_after }));
  openApp(FORM);
  const user = await fillForm();

  await user.click(giveButton());

  expect(await screen.findByText(words)).toBeVisible();
  expect(screen.getByText(/Nothing has been charged so far/)).toBeVisible();
});

test("A 502 of something in between proves nothing, and the page does not say it does", async () => {
  answerGifts(problem(502, "bad_gateway", {}, { "Retry-After": "30" }));
  openApp(FORM);
  const user = await fillForm();

  await user.click(giveButton());

  expect(await screen.findByText(/We do not know yet whether you were charged/)).toBeVisible();
  expect(document.body).not.toHaveTextContent(/nothing has been charged/i);
});

test("When the line comes back, the gift is sent again at once", async () => {
  const seen = answerGifts(problem(503, "unavailable", {}, { "Retry-After": "60" }), paid);
  answerReads(() => GIFT);
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByText("Still trying");

  window.dispatchEvent(new Event("online"));

  await screen.findByTestId("gift-success");
  expect(seen).toHaveLength(2);
});

test("A donor who walks away from a gift in doubt is led back to it", async () => {
  answerGifts(noAnswer);
  const { router } = openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByText("Still trying");

  await router.navigate("/");

  expect(await screen.findByTestId("unanswered")).toHaveTextContent(
    "Your gift to Clear Water has no answer yet.",
  );
});

test("A 202 leads to the gift's page, which asks until the bank has spoken", async () => {
  let reads = 0;
  answerGifts(processing);
  answerReads(() => {
    reads += 1;
    return reads < 2 ? { ...GIFT, status: "processing", transaction_id: null } : GIFT;
  });
  openApp(FORM);

  const user = await fillForm();
  await user.click(giveButton());

  expect(await screen.findByTestId("gift-processing")).toHaveTextContent("being confirmed");
  expect(await screen.findByTestId("gift-success", {}, { timeout: 6_000 })).toBeVisible();
});

test("Field errors of the server stand at their fields; the key stays", async () => {
  const seen = answerGifts(
    problem(422, "invalid", {
      errors: [
        { field: "email", code: "invalid", message: "server words" },
        { field: "first_name", code: "never_heard_of", message: "The server's own words." },
        { field: "payment_method_nonce", code: "unknown_nonce", message: "No." },
      ],
    }),
    paid,
  );
  answerReads(() => GIFT);
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());

  const summary = await screen.findByTestId("error-summary");
  await waitFor(() => {
    expect(summary).toHaveTextContent("3 things need another look");
    expect(summary).toHaveFocus();
  });
  expect(summary).toHaveTextContent("Email: This is no complete email address.");
  expect(summary).toHaveTextContent("First name: The server's own words.");
  expect(screen.getByLabelText("Email")).toHaveAttribute("aria-invalid", "true");
  await user.click(within(summary).getByRole("link", { name: /^Email:/ }));
  expect(screen.getByLabelText("Email")).toHaveFocus();

  await user.type(screen.getByLabelText("Email"), "x");
  await user.type(screen.getByLabelText("First name"), "x");
  await user.click(giveButton());
  await screen.findByTestId("gift-success");
  expect(seen[1]?.key).toBe(seen[0]?.key);
});

test("A key that the server ties to other contents is given up, and nothing is sent by itself", async () => {
  const seen = answerGifts(problem(422, "key_reused"));
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());

  expect(await screen.findByTestId("error-summary")).toHaveTextContent(/that one stands/);

  expect(seen).toHaveLength(1);
  expect(storedKey()).not.toBe(seen[0]?.key);
});

test("Nothing is sent while a field is wrong, and the summary names every field", async () => {
  const seen = answerGifts(paid);
  openApp(FORM);
  const user = userEvent.setup();
  await screen.findByLabelText("Card number");

  await user.type(screen.getByLabelText("Amount"), "0.5");
  await user.type(screen.getByLabelText("Card number"), "4111 1111 1111 1112");
  await user.click(giveButton());

  const summary = await screen.findByTestId("error-summary");
  await waitFor(() => {
    expect(summary).toHaveFocus();
  });
  for (const line of [
    "Amount: The smallest gift is $1.",
    "First name:",
    "Last name:",
    "Email:",
    "Card number: There is a typing error",
    "Expiry date:",
    "Security code:",
  ]) {
    expect(summary).toHaveTextContent(line);
  }
  expect(seen).toHaveLength(0);
});

test("A possible duplicate asks first; yes goes through under the same key", async () => {
  const seen = answerGifts(
    problem(409, "possible_duplicate", { donation_id: DONATION_ID }),
    paid,
  );
  answerReads(() => GIFT);
  openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  const dialog = await screen.findByRole("dialog", { name: "Did you mean to give twice?" });
  expect(seen).toHaveLength(1);

  await user.click(within(dialog).getByRole("button", { name: "Yes, give again" }));
  await screen.findByTestId("gift-success");

  expect(seen[1]?.key).toBe(seen[0]?.key);
  expect(seen[1]?.body).toEqual({ ...seen[0]?.body, confirm_duplicate: true });
});

test("A possible duplicate answered with no sends nothing more", async () => {
  const seen = answerGifts(problem(409, "possible_duplicate", { donation_id: DONATION_ID }));
  const { router } = openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());

  await user.click(await screen.findByRole("button", { name: "No, once is enough" }));

  await waitFor(() => {
    expect(router.state.location.pathname).toBe("/");
  });
  expect(seen).toHaveLength(1);
});

test("Back after a gift finds no live form: a new one, and the notice of the first gift", async () => {
  const seen = answerGifts(paid);
  answerReads(() => GIFT);
  const { router } = openApp(FORM);
  const user = await fillForm();
  await user.click(giveButton());
  await screen.findByTestId("gift-success");

  await router.navigate(-1);
  await screen.findByRole("heading", { name: "Find a cause close to your heart" });
  await router.navigate(FORM);

  expect(await screen.findByTestId("recent-gift")).toHaveTextContent("You gave $25.00 to Clear Water");
  expect(await screen.findByLabelText("Email")).toHaveValue("");
  expect(storedKey()).not.toBe(seen[0]?.key);
});

test("A form that comes back frozen from the browser's memory starts afresh", async () => {
  openApp(FORM);
  await fillForm();
  const before = storedKey();
  sessionStorage.clear();

  const thaw = new Event("pageshow");
  Object.defineProperty(thaw, "persisted", { value: true });
  window.dispatchEvent(thaw);

  await waitFor(() => {
    expect(screen.getByLabelText("Email")).toHaveValue("");
  });
  expect(storedKey()).toMatch(UUID7);
  expect(storedKey()).not.toBe(before);
});

test("A currency without decimals refuses them in words", async () => {
  openApp(FORM);
  const user = await fillForm();

  await user.selectOptions(screen.getByLabelText("Currency"), "JPY");
  await user.clear(screen.getByLabelText("Amount"));
  await user.type(screen.getByLabelText("Amount"), "500.5");
  await user.tab();

  expect(screen.getByLabelText("Amount")).toHaveAccessibleDescription(
    /JPY amounts have at most 0 decimals/,
  );
  expect(screen.queryByRole("option", { name: /EUR/ })).toBeNull();
});

test("A link to finish a gift opens the form with its amount and currency", async () => {
  openApp(`${FORM}?finish=0123~4550~JPY~signature`);

  expect(await screen.findByLabelText("Amount")).toHaveValue("4550");
  expect(screen.getByLabelText("Currency")).toHaveValue("JPY");
});

test("A link to finish that makes no sense opens an empty form", async () => {
  openApp(`${FORM}?finish=0123~%3Cscript%3E~EUR`);

  expect(await screen.findByLabelText("Amount")).toHaveValue("");
});
