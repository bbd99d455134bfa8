import * as z from "zod/mini";

/** A proof of work in ALTCHA's form, version 2: find the counter whose hash begins as given. */
const Challenge = z.object({
  parameters: z.looseObject({
    algorithm: z.literal("SHA-256"),
    cost: z.literal(1),
    nonce: z.string().check(z.regex(/^([0-9a-f]{2}){1,64}$/)),
    salt: z.string().check(z.regex(/^([0-9a-f]{2}){1,64}$/)),
    keyPrefix: z.string().check(z.regex(/^([0-9a-f]{2}){1,32}$/)),
  }),
  signature: z.string(),
});

/** Everything in it goes back to the server as it came: it is signed. */
export type Challenge = z.infer<typeof Challenge>;

export interface Solution {
  counter: number;
  derivedKey: string;
}

/** The challenge in an answer, or null when there is none that this page can solve. */
export function readChallenge(value: unknown): Challenge | null {
  const read = Challenge.safeParse(value);
  return read.success ? read.data : null;
}

/** A solved challenge as it is sent. */
export function solutionText(challenge: Challenge, solution: Solution): string {
  return btoa(JSON.stringify({ challenge, solution }));
}
