import type { ReactNode } from "react";

/** One line of a list of facts: what it is, and its value. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="grid gap-x-4 border-b border-line py-3 last:border-0 sm:grid-cols-[10rem_1fr]">
      <dt className="text-sm text-muted sm:text-base">{name}</dt>
      <dd className="break-words">{children}</dd>
    </div>
  );
}
