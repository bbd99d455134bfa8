import { type Root, createRoot } from "react-dom/client";

import type { TestCard } from "@/shared/api/types";

import type { CardField, CardFields } from "../card-fields";

import { SandboxForm } from "./SandboxForm";
import { SandboxModel } from "./sandbox-model";

/**
 * The demo's card fields. They draw their own inputs in a tree of their own, as a gateway's
 * hosted fields do in their frames, take published test numbers only and make no request.
 */
export function createSandboxCard(test_card: TestCard | null): CardFields {
  const model = new SandboxModel();
  let tree: Root | null = null;
  let home: HTMLElement | null = null;
  return {
    mount(root) {
      home = document.createElement("div");
      root.append(home);
      tree = createRoot(home);
      tree.render(<SandboxForm model={model} testCard={test_card} />);
      return Promise.resolve();
    },
    onChange: (listener) =>
      model.subscribe(() => {
        listener(model.state());
      }),
    check: () => Promise.resolve(model.checkAll()),
    tokenize: () => new Promise((done) => {
      done(model.tokenize());
    }),
    focus(field: CardField) {
      home?.querySelector<HTMLElement>(`#card-${field}`)?.focus();
    },
    destroy() {
      const [gone, place] = [tree, home];
      tree = null;
      home = null;
      // React forbids unmounting a tree while another one renders.
      queueMicrotask(() => {
        gone?.unmount();
        place?.remove();
      });
    },
  };
}
