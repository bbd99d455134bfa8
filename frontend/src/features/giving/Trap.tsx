import type { RefObject } from "react";
import { useTranslation } from "react-i18next";

/**
 * A field that no person sees or reaches, and that scripts fill in. What stands in it makes the
 * server ask for some work, which the page then does: a browser that fills it in does no harm.
 */
export function Trap({ field }: { field: RefObject<HTMLInputElement | null> }) {
  const { t } = useTranslation("giving");
  return (
    <div className="absolute -left-[9999px] size-px overflow-hidden" aria-hidden="true">
      <label htmlFor="website">{t("field.website")}</label>
      <input ref={field} id="website" name="website" type="text" tabIndex={-1} autoComplete="off" />
    </div>
  );
}
