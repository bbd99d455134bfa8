import type { Challenge } from "./challenge";
import { findCounter } from "./find-counter";

const ALL = 2 ** 32;

self.addEventListener("message", ({ data }: MessageEvent<Challenge>) => {
  self.postMessage(findCounter(data, 0, ALL));
});
