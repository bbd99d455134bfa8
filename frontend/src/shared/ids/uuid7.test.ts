import { expect, test } from "vitest";

import { uuid7 } from "./uuid7";

test("The example time of RFC 9562 stands in the first 48 bits, version and variant after it", () => {
  const id = uuid7(0x017f22e279b0);

  expect(id).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("Two made in the same millisecond differ, and later ones sort later", () => {
  const same = new Set(Array.from({ length: 1_000 }, () => uuid7(1_000)));

  expect(same.size).toBe(1_000);
  expect(uuid7(1_000) < uuid7(1_001)).toBe(true);
});
