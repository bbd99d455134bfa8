import { useCallback } from "react";
import { useSearchParams } from "react-router";

export interface Filters {
  q: string;
  category: string;
  country: string;
}

/** The list's filters, kept in the address so that a link or a reload shows the same list. */
export function useFilters(): [Filters, (change: Partial<Filters>) => void] {
  const [params, setParams] = useSearchParams();
  const filters = {
    q: params.get("q") ?? "",
    category: params.get("category") ?? "",
    country: params.get("country") ?? "",
  };
  const change = useCallback(
    (wanted: Partial<Filters>) => {
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(wanted)) {
            if (value === "") after.delete(name);
            else after.set(name, value);
          }
          return after;
        },
        // Typing must not bury the page before under one history entry for each letter.
        { replace: "q" in wanted, preventScrollReset: true },
      );
    },
    [setParams],
  );
  return [filters, change];
}
