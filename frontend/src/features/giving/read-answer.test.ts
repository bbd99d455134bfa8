import { describe, expect, test } from "vitest";

import { CHALLENGE } from "../../../tests/challenge";

import { readAnswer, readRetryAfter } from "./read-answer";

const GIFT = { donation_id: "d-1", read_token: "t-1", amount: "5.00", currency: "USD" };

describe("readAnswer", () => {
  test.each([
    [201, { ...GIFT, status: "success" }],
    [202, { ...GIFT, status: "processing" }],
    [200, { ...GIFT, status: "refunded" }],
  ])("%i with a gift is accepted", (status, body) => {
    expect(readAnswer(status, null, body)).toMatchObject({
      kind: "accepted",
      gift: { donation_id: "d-1", status: body.status },
    });
  });

  test.each([
    ["no JSON", null],
    ["no gift", { ok: true }],
    ["an unknown status", { ...GIFT, status: "perhaps" }],
  ])("a 2xx with %s leaves the gift in doubt", (_, body) => {
    expect(readAnswer(201, null, body)).toMatchObject({ kind: "wait", in_doubt: true });
  });

  test("402 is a decline with reason and gift", () => {
    const body = { ...GIFT, status: "failure", code: "card_declined", error_message: "No." };

    expect(readAnswer(402, null, body)).toMatchObject({
      kind: "declined",
      code: "card_declined",
      message: "No.",
      gift: { donation_id: "d-1", status: "failure" },
    });
  });

  test.each([
    [409, { code: "in_flight" }, "in_flight", true],
    [409, null, "in_flight", true],
    [429, { code: "too_many" }, "throttled", false],
    [503, { code: "unavailable" }, "busy", false],
    [503, { code: "overloaded" }, "busy", false],
    [503, { code: "charity_paused" }, "on_break", false],
    [428, { code: "challenge_needed" }, "busy", false],
    [428, { code: "challenge_needed", challenge: { parameters: { cost: 9 } } }, "busy", false],
    [503, "<html>proxy</html>", "busy", true],
    [500, null, "busy", true],
    [502, null, "busy", true],
    [504, { code: "unavailable" }, "busy", true],
    [408, null, "network", true],
  ])("%i %j waits (%s), in doubt: %s", (status, body, reason, in_doubt) => {
    expect(readAnswer(status, "7", body)).toEqual({
      kind: "wait",
      reason,
      retry_after_s: 7,
      in_doubt,
    });
  });

  test("428 hands the challenge over as it came", () => {
    const body = { code: "challenge_needed", challenge: CHALLENGE };

    expect(readAnswer(428, null, body)).toEqual({ kind: "challenge", challenge: CHALLENGE });
  });

  test("409 possible_duplicate names the first gift", () => {
    expect(readAnswer(409, null, { code: "possible_duplicate", donation_id: "d-0" })).toEqual({
      kind: "possible_duplicate",
      first_donation_id: "d-0",
    });
  });

  test("422 gives every field, or tells a reused key", () => {
    const errors = [{ field: "email", code: "invalid", message: "m" }];

    expect(readAnswer(422, null, { code: "invalid", errors })).toEqual({ kind: "invalid", errors });
    expect(readAnswer(422, null, { code: "key_reused" })).toEqual({ kind: "key_reused" });
  });

  test("any other 4xx is refused with its code", () => {
    expect(readAnswer(413, null, { code: "body_too_large", detail: "too large" })).toEqual({
      kind: "refused",
      code: "body_too_large",
      detail: "too large",
    });
  });
});

test("Retry-After is seconds or a date", () => {
  const now_ms = Date.parse("2026-11-22T12:00:00Z");

  expect(readRetryAfter("120", now_ms)).toBe(120);
  expect(readRetryAfter("Sun, 22 Nov 2026 12:00:30 GMT", now_ms)).toBe(30);
  expect(readRetryAfter("Sun, 22 Nov 2026 11:00:00 GMT", now_ms)).toBe(0);
  expect(readRetryAfter("soon", now_ms)).toBeNull();
  expect(readRetryAfter(null, now_ms)).toBeNull();
});
