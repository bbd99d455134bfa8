import { createApi, fetchBaseQuery } from "@reduxjs/toolkit/query/react";

/**
 * Everything the page reads. Giving itself does not pass here: RTK Query keeps the arguments of
 * a call in the store, where a donor's details and a payment nonce have no business.
 */
export const api = createApi({
  reducerPath: "api",
  baseQuery: fetchBaseQuery({
    baseUrl: globalThis.location.origin,
    timeout: 15_000,
    headers: { Accept: "application/json" },
  }),
  keepUnusedDataFor: 300,
  endpoints: () => ({}),
});

/** The HTTP status of a failed read, or null when no answer came at all. */
export function httpStatus(error: unknown): number | null {
  if (typeof error !== "object" || error === null || !("status" in error)) return null;
  return typeof error.status === "number" ? error.status : null;
}
