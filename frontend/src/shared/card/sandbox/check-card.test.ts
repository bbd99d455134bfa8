import { expect, test } from "vitest";

import { CardRefused } from "../card-fields";

import { brandOf, checkCvv, checkExpiry, checkNumber, groupDigits, passesLuhn } from "./check-card";
import { SandboxModel } from "./sandbox-model";

const NOW = new Date(2026, 10, 22);

test.each([
  ["4111111111111111", true],
  ["378282246310005", true],
  ["4111111111111112", false],
  ["1411111111111111", false],
  ["", false],
])("Luhn of %s is %s", (digits, valid) => {
  expect(passesLuhn(digits)).toBe(valid);
});

test.each([
  ["", "empty"],
  ["4111 x", "not_digits"],
  ["4111 1111", "too_short"],
  ["4111 1111 1111 1112", "luhn"],
  ["4242 4242 4242 4242", "not_a_test_card"],
  ["4111 1111 1111 1111", null],
  ["４１１１-1111-1111-1111", null],
  ["3782 822463 10005", null],
])("The number %j is %s", (text, problem) => {
  expect(checkNumber(text)).toBe(problem);
});

test.each([
  ["", "empty"],
  ["soon", "malformed"],
  ["13/30", "month"],
  ["00/30", "month"],
  ["12/25", "expired"],
  ["10/26", "expired"],
  ["11/26", null],
  ["12/30", null],
  ["1230", null],
  ["12 / 2030", null],
  ["12/47", "too_far"],
])("The expiry %j is %s in November 2026", (text, problem) => {
  expect(checkExpiry(text, NOW)).toBe(problem);
});

test.each([
  ["", "4111111111111111", "empty"],
  ["12", "4111111111111111", "length"],
  ["1234", "4111111111111111", "length"],
  ["123", "378282246310005", "length_amex"],
  ["1234", "378282246310005", null],
  ["12a", "4111111111111111", "not_digits"],
  ["123", "4111111111111111", null],
])("The security code %j of card %s is %s", (cvv, number, problem) => {
  expect(checkCvv(cvv, number)).toBe(problem);
});

test("Digits are grouped as on the card", () => {
  expect(groupDigits("4111111111111111")).toBe("4111 1111 1111 1111");
  expect(groupDigits("378282246310005")).toBe("3782 822463 10005");
  expect(brandOf("5555555555554444")).toBe("Mastercard");
});

test("A good test card becomes a nonce that holds none of its digits", () => {
  const model = new SandboxModel();
  model.fill({ number: "4111 1111 1111 1111", expiry: "12/30", cvv: "123" });

  const token = model.tokenize();

  expect(token).toEqual({
    gateway: "sandbox",
    nonce: "fake-valid-visa-nonce",
    brand: "Visa",
    last4: "1111",
  });
});

test("A behaviour chosen for the bank goes before what the number says", () => {
  const model = new SandboxModel();
  model.fill({ number: "4111 1111 1111 1111", expiry: "12/30", cvv: "123" });
  model.behave("lost");

  expect(model.tokenize().nonce).toBe("fake-lost-answer-nonce");
});

test("A card that cannot be used is refused with every problem, even with a behaviour chosen", () => {
  const model = new SandboxModel();
  model.behave("slow");
  model.type("number", "4242424242424242");

  expect(() => model.tokenize()).toThrow(CardRefused);
  expect(model.view().problems).toEqual({
    number: "not_a_test_card",
    expiry: "empty",
    cvv: "empty",
  });
});
