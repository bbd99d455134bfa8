import { describe, expect, test } from "vitest";

import { formatMoney } from "./format-money";
import { minorUnits, parseAmount } from "./parse-amount";

describe("parseAmount", () => {
  test.each([
    ["50", 2, "50.00", 5_000n],
    ["12.5", 2, "12.50", 1_250n],
    ["0.10", 2, "0.10", 10n],
    [".5", 2, "0.50", 50n],
    ["007", 2, "7.00", 700n],
    ["1,234.50", 2, "1234.50", 123_450n],
    [" 5 000 ", 0, "5000", 5_000n],
    ["５０．５", 2, "50.50", 5_050n],
    ["1.000", 2, "1.00", 100n],
    ["1.234", 3, "1.234", 1_234n],
    ["9007199254740993.01".slice(1), 2, "7199254740993.01", 719_925_474_099_301n],
    ["999999999999999.99", 2, "999999999999999.99", 99_999_999_999_999_999n],
  ])("%j with %i decimals is %s", (text, exponent, amount, minor) => {
    expect(parseAmount(text, exponent)).toEqual({ ok: true, amount, minor });
  });

  test.each([
    ["", 2, "empty"],
    ["  ", 2, "empty"],
    ["0", 2, "zero"],
    ["0.00", 2, "zero"],
    ["-5", 2, "negative"],
    ["−5", 2, "negative"],
    ["1.234", 2, "too_many_decimals"],
    ["100.5", 0, "too_many_decimals"],
    ["abc", 2, "not_a_number"],
    [".", 2, "not_a_number"],
    ["1e3", 2, "not_a_number"],
    ["50,5", 2, "not_a_number"],
    ["1.2.3", 2, "not_a_number"],
    ["0x10", 2, "not_a_number"],
    ["Infinity", 2, "not_a_number"],
    ["1234567890123456", 2, "not_a_number"],
  ])("%j with %i decimals is refused: %s", (text, exponent, problem) => {
    expect(parseAmount(text, exponent)).toEqual({ ok: false, problem });
  });
});

test("Limits of the API are compared in smallest units", () => {
  expect(minorUnits("50000.00", 2)).toBe(5_000_000n);
  expect(minorUnits("0.00", 2)).toBe(0n);
  expect(() => minorUnits("1.5", 0)).toThrow(RangeError);
});

describe("formatMoney", () => {
  test.each([
    ["1234.50", "USD", "en", "full", "$1,234.50"],
    ["25", "USD", "en", "short", "$25"],
    ["25.50", "USD", "en", "short", "$25.50"],
    ["5000", "JPY", "en", "full", "¥5,000"],
    ["100.00", "CNY", "zh-CN", "full", "¥100.00"],
    ["50.00", "USD", "zh-CN", "full", "US$50.00"],
  ] as const)("%s %s in %s (%s) is %s", (amount, currency, lang, whole, words) => {
    expect(formatMoney(amount, currency, lang, whole)).toBe(words);
  });

  test("An amount beyond what a float can hold keeps its last cent", () => {
    expect(formatMoney("90071992547409.93", "USD", "en")).toBe("$90,071,992,547,409.93");
    expect(formatMoney("999999999999999.99", "USD", "en")).toBe("$999,999,999,999,999.99");
  });

  test("What is no amount is shown as it is", () => {
    expect(formatMoney("?", "USD", "en")).toBe("? USD");
  });
});
