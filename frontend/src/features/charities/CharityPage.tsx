import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";

import { httpStatus } from "@/shared/api/api";
import { useGetCharityQuery } from "@/shared/api/get-charity";
import { useGetConfigQuery } from "@/shared/api/get-config";
import { countryName } from "@/shared/i18n/names";
import { useLang } from "@/shared/i18n/use-lang";
import { Away } from "@/shared/ui/Away";
import { Fact } from "@/shared/ui/Fact";
import { NotFound } from "@/shared/ui/NotFound";
import { PageHeading } from "@/shared/ui/PageHeading";
import { Picture } from "@/shared/ui/Picture";
import { reassurance } from "@/shared/ui/reassurance";
import { Skeleton } from "@/shared/ui/Skeleton";

import { categoryTitle } from "./category-title";
import { safeWebsite } from "./safe-website";

export default function CharityPage() {
  const { t } = useTranslation(["charities", "common"]);
  const lang = useLang();
  const { slug = "" } = useParams();
  const { data: config } = useGetConfigQuery(undefined);
  const { currentData: charity, error, refetch } = useGetCharityQuery({ slug, lang });

  if (charity === undefined && error !== undefined) {
    if (httpStatus(error) === 404) {
      return <NotFound title={t("charities:unknown.title")} text={t("charities:unknown.text")} />;
    }
    return (
      <Away
        title={t("charities:away.page_title")}
        reassurance={reassurance()}
        onRetry={() => void refetch()}
      />
    );
  }
  if (charity === undefined) {
    return (
      <div role="status" aria-label={t("common:loading")}>
        <Skeleton className="aspect-[5/2] w-full" />
        <Skeleton className="mt-6 h-10 w-3/5" />
        <Skeleton className="mt-4 h-5 w-full" />
      </div>
    );
  }

  const website = safeWebsite(charity.website);
  const open = charity.status === "active";
  return (
    <article className="grid gap-8 lg:grid-cols-[3fr_2fr] lg:items-start">
      <div>
        <Picture
          address={charity.picture}
          name={charity.name}
          eager
          className="rounded-2xl border border-line"
        />
        <p className="mt-6 text-muted">
          {categoryTitle(config, charity.category, lang)} · {countryName(charity.country, lang)}
        </p>
        <PageHeading title={charity.name} className="mt-1">
          {charity.name}
        </PageHeading>
        {charity.description !== null && (
          <p className="mt-4 text-lg leading-relaxed whitespace-pre-line">{charity.description}</p>
        )}
      </div>
      <aside className="panel lg:sticky lg:top-6">
        {charity.stale === true && <p className="notice mb-4">{t("charities:stale")}</p>}
        {open ? (
          <>
            <Link to={`/c/${encodeURIComponent(charity.slug)}/give`} className="button w-full">
              {t("charities:give", { charity: charity.name })}
            </Link>
            <p className="mt-3 text-sm text-muted">{t("charities:promise")}</p>
          </>
        ) : (
          <p className="notice">{t("charities:closed")}</p>
        )}
        <dl className="mt-5 border-t border-line">
          {charity.register !== null && (
            <Fact name={t("charities:register")}>
              {t(`charities:registers.${charity.register.name}` as never, {
                defaultValue: charity.register.name,
              })}
              <br />
              <span className="font-mono text-sm">{charity.register.id}</span>
            </Fact>
          )}
          {website !== null && (
            <Fact name={t("charities:website")}>
              <a className="link" href={website} target="_blank" rel="noopener noreferrer">
                {new URL(website).hostname.replace(/^www\./, "")}
                <span className="sr-only"> {t("common:new_window")}</span>
              </a>
            </Fact>
          )}
        </dl>
      </aside>
    </article>
  );
}
