import { useTranslation } from "react-i18next";
import { Link } from "react-router";

import type { Gift } from "@/shared/api/types";
import { PageHeading } from "@/shared/ui/PageHeading";

import { GiftFacts } from "./GiftFacts";
import { useCharityName } from "./use-charity-name";

export function ThankYou({ gift }: { gift: Gift }) {
  const { t } = useTranslation("gift");
  const charity = useCharityName(gift);
  return (
    <section className="panel mx-auto max-w-xl text-center" data-testid="gift-success">
      <span className="seal" aria-hidden="true">
        <svg viewBox="0 0 24 24" width="34" height="34" fill="none" stroke="currentColor">
          <path d="m5 12.5 4.5 4.5L19 7.5" strokeWidth="2.5" strokeLinecap="round" />
        </svg>
      </span>
      <PageHeading title={t("success.title")}>{t("success.title")}</PageHeading>
      <p className="mt-4 text-lg">{t("success.text", { charity })}</p>
      <GiftFacts gift={gift} />
      <p className="mt-5 text-sm text-muted">{t("success.keep")}</p>
      <Link to="/" className="button-quiet mt-5">
        {t("success.more")}
      </Link>
    </section>
  );
}
