import { type Challenge, type Solution, solutionText } from "./challenge";
import { findCounter } from "./find-counter";

const ALL = 2 ** 32;
/** So many at once without a worker: the page stays awake in between. */
const CHUNK = 2_000;

/** Does the work that the server asks for, beside the page where that can be. */
export async function solveChallenge(challenge: Challenge): Promise<string | null> {
  const solution = (await solveBeside(challenge)) ?? (await solveBetween(challenge));
  return solution === null ? null : solutionText(challenge, solution);
}

/** In a worker. Null when there is none: an old browser, or one that forbids them. */
async function solveBeside(challenge: Challenge): Promise<Solution | null> {
  if (typeof Worker === "undefined") return null;
  let worker: Worker | null = null;
  try {
    const started = new Worker(new URL("./solver.worker.ts", import.meta.url), { type: "module" });
    worker = started;
    return await new Promise<Solution | null>((resolve, reject) => {
      started.addEventListener("message", ({ data }: MessageEvent<Solution | null>) => {
        resolve(data);
      });
      started.addEventListener("error", () => {
        reject(new Error("the worker could not start"));
      });
      started.postMessage(challenge);
    });
  } catch {
    return null;
  } finally {
    worker?.terminate();
  }
}

/** In the page itself, a little at a time. */
async function solveBetween(challenge: Challenge): Promise<Solution | null> {
  for (let start = 0; start < ALL; start += CHUNK) {
    const found = findCounter(challenge, start, CHUNK);
    if (found !== null) return found;
    await new Promise((resume) => {
      setTimeout(resume, 0);
    });
  }
  return null;
}
