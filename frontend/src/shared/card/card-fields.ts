/**
 * The seam between the form and whoever takes the card. The implementation is named by the
 * `gateway` of GET /config. No implementation ever lets the page see the number: it comes out as
 * a token, or not at all.
 */
export type CardField = "number" | "expiry" | "cvv";

/** Field -> code of what is wrong; codes are the keys under `card:problem.<field>`. */
export type CardProblems = Partial<Record<CardField, string>>;

export interface CardToken {
  gateway: string;
  /** Stands for the card, once. Not card data. */
  nonce: string;
  brand: string;
  last4: string;
}

export interface CardState {
  /** What is wrong with fields that the donor has already left, or all after `tokenize`. */
  problems: CardProblems;
  complete: boolean;
}

/** Thrown by `tokenize` when the card cannot be used as it is written. */
export class CardRefused extends Error {
  constructor(readonly problems: CardProblems) {
    super("The card details need another look.");
  }
}

export interface CardFields {
  /** Draws the inputs into `root`. Rejects when the gateway's part cannot be loaded. */
  mount(root: HTMLElement): Promise<void>;
  /** Returns the way to stop listening. */
  onChange(listener: (state: CardState) => void): () => void;
  /** Marks and returns every problem; an empty object means that `tokenize` may be called. */
  check(): Promise<CardProblems>;
  /** Raises CardRefused. */
  tokenize(): Promise<CardToken>;
  /** Puts the cursor into a field; its input has the id `card-<field>` where it is ours. */
  focus(field: CardField): void;
  destroy(): void;
}
