/** Why a text cannot be read as an amount. The same words are used by the server. */
export type AmountProblem = "empty" | "not_a_number" | "negative" | "zero" | "too_many_decimals";

export type ParsedAmount =
  | { ok: true; amount: string; minor: bigint }
  | { ok: false; problem: AmountProblem };

const GROUPED = /^\d{1,3}(,\d{3})+(\.\d*)?$/;
const PLAIN = /^(\d{0,15})(?:\.(\d*))?$/;

/**
 * Reads what a person typed as an exact amount with `exponent` decimals.
 *
 * `amount` is the plain decimal text for the API ("50.00"), `minor` the same in the smallest
 * unit. Nothing passes through a float: 0.1 + 0.2 has no place in a gift. A lone comma
 * ("50,5") is refused rather than guessed, since it means 50.5 to one donor and 505 to another.
 */
export function parseAmount(text: string, exponent: number): ParsedAmount {
  // NFKC turns the full-width digits of Chinese and Japanese keyboards into ASCII.
  let plain = text.normalize("NFKC").replace(/\s/g, "").replace(/。/g, ".");
  if (plain === "") return { ok: false, problem: "empty" };
  if (/^[-−]/.test(plain)) return { ok: false, problem: "negative" };
  if (GROUPED.test(plain)) plain = plain.replace(/,/g, "");
  const match = PLAIN.exec(plain);
  if (match === null || !/\d/.test(plain)) return { ok: false, problem: "not_a_number" };
  const whole = (match[1] ?? "").replace(/^0+(?=\d)/, "") || "0";
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  if (fraction.length > exponent) return { ok: false, problem: "too_many_decimals" };
  const padded = fraction.padEnd(exponent, "0");
  const minor = BigInt(whole + padded);
  if (minor === 0n) return { ok: false, problem: "zero" };
  return { ok: true, amount: exponent === 0 ? whole : `${whole}.${padded}`, minor };
}

/** The smallest units in a decimal text of the API, such as 5000n for ("50.00", 2). */
export function minorUnits(amount: string, exponent: number): bigint {
  const parsed = parseAmount(amount, exponent);
  if (parsed.ok) return parsed.minor;
  if (parsed.problem === "zero") return 0n;
  throw new RangeError(`not an amount with ${exponent} decimals: ${amount}`);
}
