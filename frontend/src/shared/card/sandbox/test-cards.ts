/**
 * Published test numbers and the nonce that each stands for. A number not listed here is refused
 * in the page, so that nobody's real card is ever typed into a demo and sent.
 */
const NONCES: Record<string, string> = {
  "4111111111111111": "fake-valid-visa-nonce",
  "4005519200000004": "fake-valid-visa-nonce",
  "4012888888881881": "fake-valid-visa-nonce",
  "5555555555554444": "fake-valid-mastercard-nonce",
  "378282246310005": "fake-valid-amex-nonce",
  "6011111111111117": "fake-valid-discover-nonce",
  "4000111111111115": "fake-processor-declined-visa-nonce",
  "5105105105105100": "fake-processor-declined-mastercard-nonce",
};

export function nonceOf(digits: string): string | null {
  return NONCES[digits] ?? null;
}

/** What the sandbox bank can be asked to do instead of what the number says. */
export const BEHAVIOURS = {
  card: null,
  decline: "fake-processor-declined-visa-nonce",
  fraud: "fake-gateway-rejected-fraud-nonce",
  consumed: "fake-consumed-nonce",
  slow: "fake-slow-nonce",
  lost: "fake-lost-answer-nonce",
  unreachable: "fake-unreachable-nonce",
} as const;

export type Behaviour = keyof typeof BEHAVIOURS;
