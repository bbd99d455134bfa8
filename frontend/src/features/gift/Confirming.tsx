import { useTranslation } from "react-i18next";

import type { Gift } from "@/shared/api/types";
import { PageHeading } from "@/shared/ui/PageHeading";

import { GiftFacts } from "./GiftFacts";

interface Props {
  gift: Gift;
  unreachable: boolean;
}

/** Neither paid nor not paid: nobody knows yet, and the page says exactly that. */
export function Confirming({ gift, unreachable }: Props) {
  const { t } = useTranslation("gift");
  return (
    <section className="panel mx-auto max-w-xl text-center" data-testid="gift-processing">
      <div className="spinner mx-auto mb-5" aria-hidden="true" />
      <PageHeading title={t("confirming.title")}>{t("confirming.title")}</PageHeading>
      <p className="mt-4 text-lg">{t("confirming.text")}</p>
      <p className="mt-2 font-medium">{t("confirming.not_again")}</p>
      <p className="mt-2 text-muted" role="status">
        {unreachable ? t("confirming.unreachable") : t("confirming.asking")}
      </p>
      <GiftFacts gift={gift} />
      <p className="mt-5 text-sm text-muted">{t("confirming.address")}</p>
    </section>
  );
}
