import type { Config } from "@/shared/api/types";

import type { CardFields } from "./card-fields";

const LOAD_MS_MAX = 15_000;

/** Fetches the part of the page that talks to the gateway in use. Rejects when there is none. */
export async function loadCardFields(config: Config): Promise<CardFields> {
  if (config.gateway !== "sandbox") throw new Error(`no card fields for ${config.gateway}`);
  const { createSandboxCard } = await withTimeout(import("./sandbox/sandbox-card"));
  return createSandboxCard(config.test_card);
}

/** A gateway's script may neither load nor fail; a donor must not wait for ever. */
async function withTimeout<T>(loading: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error("the card fields did not load in time"));
    }, LOAD_MS_MAX);
  });
  try {
    return await Promise.race([loading, late]);
  } finally {
    clearTimeout(timer);
  }
}
