import { nonceOf } from "./test-cards";

export type NumberProblem = "empty" | "not_digits" | "too_short" | "luhn" | "not_a_test_card";
export type ExpiryProblem = "empty" | "malformed" | "month" | "expired" | "too_far";
export type CvvProblem = "empty" | "not_digits" | "length" | "length_amex";

/** The digits of what a person typed: full-width digits count, spaces and hyphens do not. */
export function digitsOf(text: string): string {
  return text.normalize("NFKC").replace(/[\s-]/g, "");
}

/** The check digit rule of ISO/IEC 7812-1, annex B. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return digits.length > 0 && sum % 10 === 0;
}

export function brandOf(digits: string): string {
  if (/^3[47]/.test(digits)) return "American Express";
  if (digits.startsWith("4")) return "Visa";
  if (/^(5[1-5]|2[2-7])/.test(digits)) return "Mastercard";
  if (/^6(011|5)/.test(digits)) return "Discover";
  return "";
}

export function checkNumber(text: string): NumberProblem | null {
  const digits = digitsOf(text);
  if (digits === "") return "empty";
  if (!/^\d+$/.test(digits)) return "not_digits";
  if (digits.length < 12 || digits.length > 19) return "too_short";
  if (!passesLuhn(digits)) return "luhn";
  return nonceOf(digits) === null ? "not_a_test_card" : null;
}

/** A card is good to the end of its month; no bank prints one for more than 20 years. */
export function checkExpiry(text: string, now: Date = new Date()): ExpiryProblem | null {
  const plain = text.normalize("NFKC").replace(/\s/g, "");
  if (plain === "") return "empty";
  const match = /^(\d{1,2})\/?(\d{2}|20\d{2})$/.exec(plain);
  if (match === null) return "malformed";
  const month = Number(match[1]);
  const year = 2000 + (Number(match[2]) % 100);
  if (month < 1 || month > 12) return "month";
  const months_left = (year - now.getFullYear()) * 12 + (month - 1 - now.getMonth());
  if (months_left < 0) return "expired";
  return months_left > 240 ? "too_far" : null;
}

export function checkCvv(text: string, number: string): CvvProblem | null {
  const digits = digitsOf(text);
  if (digits === "") return "empty";
  if (!/^\d+$/.test(digits)) return "not_digits";
  const amex = brandOf(digitsOf(number)) === "American Express";
  if (digits.length === (amex ? 4 : 3)) return null;
  return amex ? "length_amex" : "length";
}

/** "4111111111111111" as it stands on the card; American Express groups 4-6-5. */
export function groupDigits(text: string): string {
  const digits = digitsOf(text);
  if (!/^\d*$/.test(digits)) return text;
  const groups = /^3[47]/.test(digits)
    ? [digits.slice(0, 4), digits.slice(4, 10), digits.slice(10)]
    : (digits.match(/.{1,4}/g) ?? []);
  return groups.filter((group) => group !== "").join(" ");
}
