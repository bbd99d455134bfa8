import { createHash } from "node:crypto";

import { expect, test, vi } from "vitest";

import { CHALLENGE, SOLUTION } from "../../../../tests/challenge";

import { findCounter } from "./find-counter";
import { solveChallenge } from "./solve-challenge";

test("It finds what the server's own library finds", () => {
  expect(findCounter(CHALLENGE, 0, 1_000)).toEqual(SOLUTION);
});

test("It looks no further than it was told to", () => {
  expect(findCounter(CHALLENGE, 0, SOLUTION.counter)).toBeNull();
  expect(findCounter(CHALLENGE, SOLUTION.counter, 1)).toEqual(SOLUTION);
});

test("Its hashes are those of everybody else", () => {
  const salt = "00".repeat(16);
  const nonce = "ff".repeat(16);
  const hashes = [7, 300, 70_000].map((counter) => {
    const tail = Buffer.alloc(4);
    tail.writeUInt32BE(counter);
    const message = Buffer.concat([Buffer.from(salt + nonce, "hex"), tail]);
    return [counter, createHash("sha256").update(message).digest("hex")] as const;
  });

  for (const [counter, derivedKey] of hashes) {
    const parameters = { ...CHALLENGE.parameters, salt, nonce, keyPrefix: derivedKey.slice(0, 32) };
    const challenge = { ...CHALLENGE, parameters };
    expect(findCounter(challenge, counter - 5, 10)).toEqual({ counter, derivedKey });
  }
});

test("Without a worker the page does the work itself, and sends it as the server reads it", async () => {
  vi.stubGlobal("Worker", undefined);

  const text = await solveChallenge(CHALLENGE);

  expect(JSON.parse(atob(text ?? ""))).toEqual({ challenge: CHALLENGE, solution: SOLUTION });
});

test("A worker that may not start does no harm", async () => {
  vi.stubGlobal(
    "Worker",
    class extends EventTarget {
      postMessage() {
        this.dispatchEvent(new Event("error"));
      }
      terminate() {
        // Nothing runs.
      }
    },
  );

  expect(await solveChallenge(CHALLENGE)).not.toBeNull();
});
