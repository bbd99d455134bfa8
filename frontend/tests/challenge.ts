import type { Challenge, Solution } from "@/features/giving/solve/challenge";

/** A challenge as the server sets it, with little work. */
export const CHALLENGE: Challenge & { signature: string } = {
  parameters: {
    algorithm: "SHA-256",
    cost: 1,
    keyLength: 32,
    keyPrefix: "97432f71bdba28b4dfe2f79a9ae4ad7b",
    nonce: "961279b92046eb479934745ee739fe35",
    salt: "390c133f3c8977e93fbb6ef321dc87b2",
    keySignature: "9757e48c20b39fe56e9ecd2bd63d5f0c4e3ef44ed9d5d3c7a4886129a75fc297",
    data: { level: 1, until_ms: 1795397664080 },
  },
  signature: "effca193a0a9ca15026bb1fbaaa95efdfbddd98709cd671de6254c4dad2e3280",
};

/** What the server's own library finds for it. */
export const SOLUTION: Solution = {
  counter: 293,
  derivedKey: "97432f71bdba28b4dfe2f79a9ae4ad7bfb3742fdcc7b6fec2863f7f2b80972ef",
};
