import { beforeEach, expect, test, vi } from "vitest";

import type { SentGift } from "@/shared/gifts/open-form";

import { CHALLENGE } from "../../../tests/challenge";

import type { Answer } from "./answer";
import { type Sending, sendGift } from "./send-gift";

const SENT = { body: {}, charity_name: "Clear Water", in_doubt: false } as unknown as SentGift;
const REFUSED: Answer = { kind: "refused", code: "x", detail: "" };
const ASKED: Answer = { kind: "challenge", challenge: CHALLENGE };
const wait = (retry_after_s: number | null, in_doubt: boolean): Answer => ({
  kind: "wait",
  reason: "busy",
  retry_after_s,
  in_doubt,
});

function start(answers: Answer[], sent = SENT, solution: string | null = "solved") {
  const kept: boolean[] = [];
  const phases: Sending[] = [];
  const post = vi.fn<(solution: string | null) => Promise<Answer>>(() =>
    Promise.resolve(answers.shift() ?? REFUSED),
  );
  const flight = sendGift({
    sent,
    post,
    solve: () => Promise.resolve(solution),
    keep: ({ in_doubt }) => kept.push(in_doubt),
    onSending: (sending) => phases.push(sending),
  });
  return { flight, kept, phases, post };
}

beforeEach(() => {
  vi.useFakeTimers();
});

test("It waits as long as the server asks, then sends again", async () => {
  const { flight, post } = start([wait(7, false)]);

  await vi.advanceTimersByTimeAsync(6_900);
  expect(post).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(200);

  expect(post).toHaveBeenCalledTimes(2);
  await expect(flight.answer).resolves.toEqual(REFUSED);
});

test("Without a hint the pauses grow", async () => {
  const { post } = start(Array.from({ length: 6 }, () => wait(null, true)));

  const seen_at: Record<number, number> = {};
  for (let second = 0; second < 16; second += 1) {
    await vi.advanceTimersByTimeAsync(second === 0 ? 500 : 1_000);
    seen_at[second] = post.mock.calls.length;
  }

  // Sent at 0, 1, 3, 7 and 15 s.
  expect([0, 1, 2, 3, 6, 7, 14, 15].map((second) => seen_at[second])).toEqual([
    1, 2, 2, 3, 3, 4, 4, 5,
  ]);
});

test("A gift counts as in doubt while it is away, and stays so after silence", async () => {
  const { kept } = start([wait(1, false), wait(1, true), wait(1, false)]);

  await vi.advanceTimersByTimeAsync(5_000);

  expect(kept).toEqual([true, false, true, true, true, true, true]);
});

test("A gift resumed in doubt stays in doubt when the server turns busy", async () => {
  const { phases } = start([wait(5, false)], { ...SENT, in_doubt: true });

  await vi.advanceTimersByTimeAsync(100);

  expect(phases.at(-1)).toMatchObject({ phase: "waiting", in_doubt: true });
});

test("After stop nothing more is sent, but an answer on its way still counts", async () => {
  const waiting = start([wait(5, false)]);
  await vi.advanceTimersByTimeAsync(100);
  waiting.flight.stop();
  await expect(waiting.flight.answer).resolves.toBeNull();
  expect(waiting.post).toHaveBeenCalledTimes(1);

  const flying = start([REFUSED]);
  flying.flight.stop();
  await expect(flying.flight.answer).resolves.toEqual(REFUSED);
});

test("A challenge is solved and the gift sent again at once, with the solution", async () => {
  const { flight, phases, post, kept } = start([ASKED, wait(1, false)]);

  await vi.advanceTimersByTimeAsync(2_000);

  await expect(flight.answer).resolves.toEqual(REFUSED);
  expect(post.mock.calls).toEqual([[null], ["solved"], ["solved"]]);
  expect(phases.map(({ phase }) => phase)).toEqual([
    "sending",
    "checking",
    "sending",
    "waiting",
    "sending",
  ]);
  expect(kept).toEqual([true, false, true, false, true]);
});

test("A challenge after silence leaves the gift in doubt", async () => {
  const { kept } = start([wait(1, true), ASKED]);

  await vi.advanceTimersByTimeAsync(2_000);

  expect(kept).toEqual([true, true, true, true, true]);
});

test("A challenge that cannot be solved is waited out", async () => {
  const { phases, post } = start([ASKED, ASKED], SENT, null);

  await vi.advanceTimersByTimeAsync(500);

  expect(post).toHaveBeenCalledTimes(1);
  expect(phases.at(-1)).toMatchObject({ phase: "waiting", reason: "busy", in_doubt: false });
});

test("A server that asks again and again is not asked without a pause", async () => {
  const { post } = start(Array.from({ length: 50 }, () => ASKED));

  await vi.advanceTimersByTimeAsync(500);

  expect(post).toHaveBeenCalledTimes(4);
});

test("After stop a solved challenge is not sent", async () => {
  const { flight, post } = start([ASKED]);

  flight.stop();

  await expect(flight.answer).resolves.toBeNull();
  expect(post).toHaveBeenCalledTimes(1);
});
