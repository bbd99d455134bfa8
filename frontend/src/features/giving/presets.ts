import type { CurrencyLimits } from "@/shared/api/types";
import { minorUnits } from "@/shared/money/parse-amount";

/** Amounts offered at one touch, in whole units: what people in that currency tend to give. */
const PRESETS: Record<string, string[]> = {
  CNY: ["50", "100", "200", "500"],
  CZK: ["200", "500", "1000", "2000"],
  DKK: ["100", "200", "500", "1000"],
  HKD: ["100", "200", "500", "1000"],
  INR: ["500", "1000", "2000", "5000"],
  JPY: ["1000", "3000", "5000", "10000"],
  KRW: ["10000", "30000", "50000", "100000"],
  MXN: ["200", "500", "1000", "2000"],
  NOK: ["100", "200", "500", "1000"],
  SEK: ["100", "200", "500", "1000"],
  TWD: ["300", "500", "1000", "3000"],
  ZAR: ["100", "200", "500", "1000"],
};
const USUAL = ["10", "25", "50", "100"];

export function presetsFor(limits: CurrencyLimits): string[] {
  const units = (amount: string) => minorUnits(amount, limits.exponent);
  const [min, max] = [units(limits.min), units(limits.max)];
  return (PRESETS[limits.code] ?? USUAL).filter(
    (amount) => units(amount) >= min && units(amount) <= max,
  );
}
