import { useTranslation } from "react-i18next";
import { Link } from "react-router";

import type { Gift } from "@/shared/api/types";
import { PageHeading } from "@/shared/ui/PageHeading";

import { GiftFacts } from "./GiftFacts";

interface Props {
  gift: Gift;
  status: "refunded" | "partially_refunded" | "disputed" | "pending" | "processing";
}

export function Returned({ gift, status }: Props) {
  const { t } = useTranslation(["gift", "common"]);
  const kind =
    status === "refunded" || status === "partially_refunded" ? status : ("disputed" as const);
  return (
    <section className="panel mx-auto max-w-xl" data-testid={`gift-${status}`}>
      <PageHeading title={t(`gift:${kind}.title`)}>{t(`gift:${kind}.title`)}</PageHeading>
      <p className="mt-4 text-lg">{t(`gift:${kind}.text`)}</p>
      <GiftFacts gift={gift} />
      <Link to="/" className="button-quiet mt-5">
        {t("common:home")}
      </Link>
    </section>
  );
}
