import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useLocation, useParams } from "react-router";

import { isSettled } from "@/shared/api/types";
import { holdToken, tokenOf } from "@/shared/gifts/held-gifts";
import { NotFound } from "@/shared/ui/NotFound";
import { PageHeading } from "@/shared/ui/PageHeading";
import { Skeleton } from "@/shared/ui/Skeleton";

import { Confirming } from "./Confirming";
import { Declined } from "./Declined";
import { Returned } from "./Returned";
import { ThankYou } from "./ThankYou";
import { useGift } from "./use-gift";

/** The page of one gift. Its address alone brings it back: id in the path, token behind the #. */
export default function GiftPage() {
  const { donation_id = "" } = useParams();
  const { hash } = useLocation();
  const { t } = useTranslation("gift");
  const from_link = new URLSearchParams(hash.slice(1)).get("t");
  const token = from_link ?? tokenOf(donation_id);

  if (token === null) return <NotFound title={t("lost.title")} text={t("lost.text")} />;
  return <Gift key={`${donation_id} ${token}`} donation_id={donation_id} token={token} />;
}

function Gift({ donation_id, token }: { donation_id: string; token: string }) {
  const { t } = useTranslation("gift");
  // Before the first question, which takes the token from there.
  holdToken(donation_id, token);
  const watch = useGift(donation_id);
  const { gift } = watch;

  useEffect(() => {
    const online = () => {
      watch.refetch();
    };
    window.addEventListener("online", online);
    return () => {
      window.removeEventListener("online", online);
    };
  });

  if (watch.unknown) return <NotFound title={t("unknown.title")} text={t("unknown.text")} />;
  if (gift === null && watch.unreachable) {
    return (
      <section className="panel mx-auto max-w-xl text-center" role="status" data-testid="not-known">
        <PageHeading title={t("not_known.title")}>{t("not_known.title")}</PageHeading>
        <p className="mt-4 text-lg">{t("not_known.text")}</p>
        <button type="button" className="button mt-6" onClick={watch.refetch}>
          {t("not_known.ask")}
        </button>
      </section>
    );
  }
  if (gift === null) {
    return (
      <div role="status" aria-label={t("loading")} className="mx-auto max-w-xl">
        <Skeleton className="h-10 w-3/4" />
        <Skeleton className="mt-6 h-64 w-full" />
      </div>
    );
  }
  if (!isSettled(gift.status)) return <Confirming gift={gift} unreachable={watch.unreachable} />;
  if (gift.status === "success") return <ThankYou gift={gift} />;
  if (gift.status === "failure") return <Declined gift={gift} />;
  return <Returned gift={gift} status={gift.status} />;
}
