import {
  type CardField,
  type CardProblems,
  CardRefused,
  type CardState,
  type CardToken,
} from "../card-fields";

import { brandOf, checkCvv, checkExpiry, checkNumber, digitsOf, groupDigits } from "./check-card";
import { BEHAVIOURS, type Behaviour, nonceOf } from "./test-cards";

export interface SandboxView {
  values: Record<CardField, string>;
  behaviour: Behaviour;
  problems: CardProblems;
}

const EMPTY = { number: "", expiry: "", cvv: "" };

/** What is typed into the sandbox card. Lives here only: not in the store, not in storage. */
export class SandboxModel {
  #view: SandboxView = { values: EMPTY, behaviour: "card", problems: {} };
  readonly #touched = new Set<CardField>();
  readonly #listeners = new Set<() => void>();

  readonly view = (): SandboxView => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  type(field: CardField, text: string): void {
    const values = { ...this.#view.values, [field]: text };
    this.#set({ ...this.#view, values, problems: this.#visible(values) });
  }

  leave(field: CardField): void {
    const { values } = this.#view;
    if (values[field] !== "") this.#touched.add(field);
    const number = field === "number" ? groupDigits(values.number) : values.number;
    const tidy = { ...values, number };
    this.#set({ ...this.#view, values: tidy, problems: this.#visible(tidy) });
  }

  fill(values: Record<CardField, string>): void {
    this.#touched.clear();
    this.#set({ ...this.#view, values, problems: {} });
  }

  behave(behaviour: Behaviour): void {
    this.#set({ ...this.#view, behaviour });
  }

  checkAll(): CardProblems {
    for (const field of ["number", "expiry", "cvv"] as const) this.#touched.add(field);
    const problems = problemsOf(this.#view.values);
    this.#set({ ...this.#view, problems });
    return problems;
  }

  state(): CardState {
    const complete = Object.keys(problemsOf(this.#view.values)).length === 0;
    return { problems: this.#view.problems, complete };
  }

  tokenize(): CardToken {
    const problems = this.checkAll();
    const digits = digitsOf(this.#view.values.number);
    const nonce = BEHAVIOURS[this.#view.behaviour] ?? nonceOf(digits);
    if (Object.keys(problems).length > 0 || nonce === null) throw new CardRefused(problems);
    return { gateway: "sandbox", nonce, brand: brandOf(digits), last4: digits.slice(-4) };
  }

  #visible(values: Record<CardField, string>): CardProblems {
    const all = problemsOf(values);
    return Object.fromEntries(
      Object.entries(all).filter(([field]) => this.#touched.has(field as CardField)),
    );
  }

  #set(view: SandboxView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}

function problemsOf(values: Record<CardField, string>): CardProblems {
  const problems: CardProblems = {};
  const number = checkNumber(values.number);
  const expiry = checkExpiry(values.expiry);
  const cvv = checkCvv(values.cvv, values.number);
  if (number !== null) problems.number = number;
  if (expiry !== null) problems.expiry = expiry;
  if (cvv !== null) problems.cvv = cvv;
  return problems;
}
