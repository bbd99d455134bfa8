import { useTranslation } from "react-i18next";

import { Away } from "@/shared/ui/Away";
import { PageHeading } from "@/shared/ui/PageHeading";
import { reassurance } from "@/shared/ui/reassurance";
import { Skeleton } from "@/shared/ui/Skeleton";

import { useGetOpenApiQuery } from "./api/get-openapi";
import { CallSection } from "./CallSection";
import { giftByCurl } from "./curl";
import { callsByTag } from "./openapi";

const FIRST_DEMO_CHARITY = 101;

/** The API for people: /openapi.json put into a page, without anything from outside. */
export default function ReferencePage() {
  const { t, i18n } = useTranslation(["reference", "common"]);
  const { data, error, refetch } = useGetOpenApiQuery(undefined);
  if (data === undefined && error !== undefined) {
    return (
      <Away
        title={t("reference:away")}
        reassurance={reassurance()}
        onRetry={() => void refetch()}
      />
    );
  }

  const groups = data === undefined ? [] : [...callsByTag(data)];
  const tagTitle = (tag: string) =>
    i18n.exists(`reference:tag.${tag}`) ? t(`reference:tag.${tag}` as never) : tag;
  return (
    <div className="mx-auto max-w-4xl">
      <PageHeading title={t("reference:title")}>{t("reference:headline")}</PageHeading>
      <p className="mt-3 text-lg text-muted">{t("reference:intro")}</p>
      <p className="mt-2">
        <a className="link inline-block py-0.5" href="/openapi.json">
          {t("reference:raw")}
        </a>
      </p>

      <h2 className="mt-8 text-2xl font-semibold">{t("reference:curl.title")}</h2>
      <p className="mt-2">{t("reference:curl.text")}</p>
      <pre className="code mt-3" data-testid="curl">
        {giftByCurl(globalThis.location.origin, FIRST_DEMO_CHARITY)}
      </pre>

      {data === undefined && (
        <div role="status" aria-label={t("common:loading")} className="mt-8">
          <Skeleton className="h-96 w-full" />
        </div>
      )}
      {groups.length > 0 && (
        <nav aria-label={t("reference:calls")} className="mt-8">
          <ul className="grid gap-x-6 sm:grid-cols-2">
            {groups.flatMap(([, calls]) =>
              calls.map(({ method, path, anchor }) => (
                <li key={anchor} className="min-w-0">
                  <a
                    className="link inline-block max-w-full py-1 font-mono text-sm break-words"
                    href={`#${anchor}`}
                  >
                    {method.toUpperCase()} {path}
                  </a>
                </li>
              )),
            )}
          </ul>
        </nav>
      )}
      {groups.map(([tag, calls]) => (
        <section key={tag} className="mt-10" aria-label={tagTitle(tag)}>
          <h2 className="text-2xl font-semibold">{tagTitle(tag)}</h2>
          <div className="mt-4 grid gap-5">
            {calls.map((call) => (
              <CallSection
                key={call.anchor}
                call={call}
                schemas={data?.components?.schemas ?? {}}
              />
            ))}
          </div>
        </section>
      ))}
    </div>
  );
}
