import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

import type { Challenge, Solution } from "./challenge";

/**
 * Tries counters from `start` on, `count` of them. Null when it is none of these.
 *
 * Not with the browser's own hash: that one is there on secure pages only, and handing each of a
 * hundred thousand small hashes over to it takes longer than computing them.
 */
export function findCounter(
  { parameters }: Challenge,
  start: number,
  count: number,
): Solution | null {
  const head = hexToBytes(parameters.salt + parameters.nonce);
  const prefix = hexToBytes(parameters.keyPrefix);
  const message = new Uint8Array(head.length + 4);
  message.set(head);
  const tail = new DataView(message.buffer, head.length);
  for (let counter = start; counter < start + count; counter += 1) {
    tail.setUint32(0, counter);
    const key = sha256(message);
    if (prefix.every((byte, i) => key[i] === byte)) return { counter, derivedKey: bytesToHex(key) };
  }
  return null;
}
