import { useTranslation } from "react-i18next";

import { Skeleton } from "@/shared/ui/Skeleton";

import type { Card } from "./use-card";

export function CardSection({ setRoot, fields, failed, retry }: Omit<Card, "problems">) {
  const { t } = useTranslation("giving");
  return (
    <fieldset>
      <legend className="text-xl font-semibold">{t("card.legend")}</legend>
      <p className="mt-1 text-sm text-muted">{t("card.privacy")}</p>
      <div ref={setRoot} className="mt-3" />
      {failed && (
        <div role="alert" className="notice">
          <p>{t("card.failed")}</p>
          <button type="button" className="button-quiet mt-3" onClick={retry}>
            {t("card.retry")}
          </button>
        </div>
      )}
      {fields === null && !failed && (
        <div role="status" aria-label={t("card.loading")}>
          <Skeleton className="h-12 w-full" />
          <Skeleton className="mt-4 h-12 w-full" />
        </div>
      )}
    </fieldset>
  );
}
