import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, useNavigate, useParams, useSearchParams } from "react-router";

import { httpStatus } from "@/shared/api/api";
import { useGetCharityQuery } from "@/shared/api/get-charity";
import { useGetConfigQuery } from "@/shared/api/get-config";
import { giftAddress, lastGiftTo, tokenOf } from "@/shared/gifts/held-gifts";
import { useLang } from "@/shared/i18n/use-lang";
import { Away } from "@/shared/ui/Away";
import { NotFound } from "@/shared/ui/NotFound";
import { PageHeading } from "@/shared/ui/PageHeading";
import { reassurance } from "@/shared/ui/reassurance";
import { Skeleton } from "@/shared/ui/Skeleton";

import { DuplicateDialog } from "./DuplicateDialog";
import { draftOfLink } from "./gift-form";
import { GiveForm } from "./GiveForm";
import { RecentGift } from "./RecentGift";
import { SendingPanel } from "./SendingPanel";
import { useGiving } from "./use-giving";

/** The form starts afresh when the browser brings it back frozen from its memory. */
export default function GivePage() {
  const { slug = "" } = useParams();
  const [shown, setShown] = useState(0);
  useEffect(() => {
    const thaw = (event: PageTransitionEvent) => {
      if (event.persisted) setShown((before) => before + 1);
    };
    window.addEventListener("pageshow", thaw);
    return () => {
      window.removeEventListener("pageshow", thaw);
    };
  }, []);
  return <Give key={`${slug}-${shown}`} slug={slug} />;
}

function Give({ slug }: { slug: string }) {
  const { t } = useTranslation(["giving", "charities", "common"]);
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const lang = useLang();
  const giving = useGiving(slug);
  const { state } = giving;
  const [recent] = useState(() => lastGiftTo(slug));
  const charityRead = useGetCharityQuery({ slug, lang });
  const configRead = useGetConfigQuery(undefined);
  // The last known one: a change of language must not empty a half-filled form.
  const charity = charityRead.data;
  const config = configRead.data;
  const flying = state.step === "flying";
  const [flown, setFlown] = useState(flying);
  if (flying && !flown) setFlown(true);

  if (!flying && httpStatus(charityRead.error) === 404) {
    return <NotFound title={t("charities:unknown.title")} text={t("charities:unknown.text")} />;
  }
  const failed =
    (charity === undefined && charityRead.error !== undefined) ||
    (config === undefined && configRead.error !== undefined);
  if (failed && !flying) {
    return (
      <Away
        title={t("giving:away")}
        reassurance={reassurance()}
        onRetry={() => {
          if (charity === undefined) void charityRead.refetch();
          if (config === undefined) void configRead.refetch();
        }}
      />
    );
  }
  if (!flying && charity !== undefined && charity.slug !== slug) {
    return <Navigate replace to={`/c/${encodeURIComponent(charity.slug)}/give`} />;
  }

  const leaveDuplicate = (first: string | null) => {
    const token = first === null ? null : tokenOf(first);
    void navigate(first !== null && token !== null ? giftAddress(first, token) : "/", {
      replace: true,
    });
  };

  return (
    <>
      {state.step === "flying" && (
        <SendingPanel
          sent={state.sent}
          sending={state.sending}
          onTryNow={giving.tryNow}
          onChange={giving.change}
        />
      )}
      {/* Hidden, not taken away: the card fields keep what was typed. */}
      <div hidden={flying} className="mx-auto max-w-2xl">
        {charity !== undefined && config !== undefined && !flying && (
          <>
            <p className="mb-2">
              <Link className="link inline-block py-0.5" to={`/c/${encodeURIComponent(slug)}`}>
                {t("giving:back", { charity: charity.name })}
              </Link>
            </p>
            <PageHeading
              title={t("giving:title", { charity: charity.name })}
              className="mb-6"
              // The panel that had the focus is gone: nobody shall begin at the top again.
              alwaysFocus={flown}
            >
              {t("giving:title", { charity: charity.name })}
            </PageHeading>
            {recent !== null && state.step === "editing" && (
              <RecentGift gift={recent} charity_name={charity.name} />
            )}
          </>
        )}
        {charity === undefined || config === undefined ? (
          <div role="status" aria-label={t("common:loading")}>
            <Skeleton className="h-10 w-3/4" />
            <Skeleton className="mt-6 h-96 w-full" />
          </div>
        ) : charity.status === "active" ? (
          <div className="panel">
            <GiveForm
              charity={charity}
              config={config}
              draft={giving.opened.draft ?? draftOfLink(params.get("finish"))}
              problem={state.step === "editing" ? state.problem : null}
              onGive={(body) => {
                giving.give(body, charity.name);
              }}
            />
          </div>
        ) : (
          <p className="notice">{t("charities:closed")}</p>
        )}
      </div>
      {state.step === "asking" && (
        <DuplicateDialog
          sent={state.sent}
          onYes={() => {
            giving.give({ ...state.sent.body, confirm_duplicate: true }, state.sent.charity_name);
          }}
          onNo={() => {
            leaveDuplicate(state.first_donation_id);
          }}
          onCancel={giving.change}
        />
      )}
    </>
  );
}
