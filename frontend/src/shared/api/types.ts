/** The wire contract as the page uses it. Amounts are decimal texts, times RFC 3339 in UTC. */

export interface CurrencyLimits {
  code: string;
  /** Decimals of the currency: 2 for USD, 0 for JPY. */
  exponent: number;
  min: string;
  max: string;
}

export interface TestCard {
  number: string;
  expiry: string;
  cvv: string;
}

export interface Config {
  version: string;
  gateway: string;
  sandbox: boolean;
  client: Record<string, unknown> | null;
  currencies: CurrencyLimits[];
  default_currency: string;
  donor_wait_seconds: number;
  languages: string[];
  test_card: TestCard | null;
  categories: { key: string; title: Record<string, string> }[];
  /** ISO 3166 codes of the countries that have charities, where the server tells them. */
  countries?: string[];
}

export interface Charity {
  charity_id: number;
  slug: string;
  name: string;
  description: string | null;
  category: string;
  country: string;
  website: string | null;
  register: { name: string; id: string } | null;
  picture: string | null;
  /** Currencies this charity takes; null or absent means all. */
  currencies?: string[] | null;
  status: string;
  /** Only there when the answer is an older copy. */
  stale?: boolean;
}

export interface CharityList {
  items: Charity[];
  next: string | null;
  stale?: boolean;
}

export const GIFT_STATUSES = [
  "pending",
  "processing",
  "success",
  "failure",
  "refunded",
  "partially_refunded",
  "disputed",
] as const;

export type GiftStatus = (typeof GIFT_STATUSES)[number];

export interface Gift {
  donation_id: string;
  status: GiftStatus;
  amount: string;
  currency: string;
  charity_id: number;
  charity_name: string;
  charity_slug: string | null;
  donation_timestamp: string | null;
  transaction_id: string | null;
  error_message: string | null;
  code: string | null;
  /** Counts up: of two answers the greater one is the newer. Absent where only the gift was given. */
  version?: number;
  /** Where a gift can be finished that was not charged for want of valid card details. */
  finish_path?: string | null;
}

/** True when the status can no longer change by waiting. */
export function isSettled(status: GiftStatus): boolean {
  return status !== "pending" && status !== "processing";
}
