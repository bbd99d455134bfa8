import i18next from "i18next";

/** Other words for the same problem, so that one text serves page and server. */
const SAME_AS: Record<string, string> = {
  missing: "empty",
  invalid: "malformed",
  unsupported_currency: "unknown_currency",
};

/**
 * The words for one field that cannot be used: which, why and what to do. Ours when the code is
 * known, else what the server said, else a plain request to look again.
 */
export function fieldMessage(
  field: string,
  code: string,
  server_message?: string,
  values: Record<string, string | number> = {},
): string {
  const same = SAME_AS[code] ?? code;
  const keys = [`errors:field.${field}.${code}`, `errors:field.${field}.${same}`, `errors:any.${same}`];
  const known = keys.find((key) => i18next.exists(key));
  if (known !== undefined) return i18next.t(known, { ...values, defaultValue: "" });
  if (server_message !== undefined && server_message !== "") return server_message;
  return i18next.t("errors:any.malformed");
}

/** The reason of a declined gift in donor words; falls back to the server's, then to a plain one. */
export function declineMessage(code: string | null, server_message: string | null): string {
  const key = `errors:decline.${code ?? ""}`;
  if (code !== null && i18next.exists(key)) return i18next.t(key, { defaultValue: "" });
  return server_message ?? i18next.t("errors:decline.card_declined");
}
