import { useTranslation } from "react-i18next";

import { httpStatus } from "@/shared/api/api";
import { useGetConfigQuery } from "@/shared/api/get-config";
import { useLang } from "@/shared/i18n/use-lang";
import { Away } from "@/shared/ui/Away";
import { PageHeading } from "@/shared/ui/PageHeading";
import { reassurance } from "@/shared/ui/reassurance";
import { Select } from "@/shared/ui/Select";

import { useListCharitiesInfiniteQuery } from "./api/list-charities";
import { CharityCard } from "./CharityCard";
import { CardSkeletons } from "./CardSkeletons";
import { countryChoices } from "./countries";
import { SearchBox } from "./SearchBox";
import { useFilters } from "./use-filters";

export default function ListPage() {
  const { t } = useTranslation(["charities", "common"]);
  const lang = useLang();
  const [filters, change] = useFilters();
  const { data: config } = useGetConfigQuery(undefined);
  const list = useListCharitiesInfiniteQuery({ ...filters, lang });
  const charities = list.currentData?.pages.flatMap((page) => page.items) ?? [];
  const stale = list.currentData?.pages.some((page) => page.stale === true) ?? false;
  const filtered = filters.q !== "" || filters.category !== "" || filters.country !== "";
  // The error outlives the start of a retry: the friendly page must not blink at each one.
  const failed = list.error !== undefined && list.currentData === undefined;
  const refused = failed && httpStatus(list.error) === 422;

  if (failed && !refused) {
    return (
      <Away
        title={t("charities:away.title")}
        reassurance={reassurance()}
        onRetry={() => void list.refetch()}
      />
    );
  }

  return (
    <>
      <PageHeading title={t("charities:title")}>{t("charities:headline")}</PageHeading>
      <p className="mt-3 max-w-2xl text-lg text-muted">{t("charities:intro")}</p>

      <div className="mt-8 grid grid-cols-2 gap-4 md:grid-cols-[2fr_1fr_1fr]">
        <SearchBox
          value={filters.q}
          onSearch={(q) => {
            change({ q });
          }}
        />
        <Select
          id="category"
          label={t("charities:filter.category")}
          value={filters.category}
          onChange={(event) => {
            change({ category: event.target.value });
          }}
        >
          <option value="">{t("charities:filter.all_categories")}</option>
          {config?.categories.map((category) => (
            <option key={category.key} value={category.key}>
              {category.title[lang] ?? category.title["en"]}
            </option>
          ))}
        </Select>
        <Select
          id="country"
          label={t("charities:filter.country")}
          value={filters.country}
          onChange={(event) => {
            change({ country: event.target.value });
          }}
        >
          <option value="">{t("charities:filter.all_countries")}</option>
          {countryChoices(config?.countries, filters.country, lang).map(({ code, name }) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </Select>
      </div>

      {stale && (
        <p className="notice mt-6" data-testid="stale">
          {t("charities:stale")}
        </p>
      )}

      <p role="status" className="sr-only">
        {list.currentData === undefined || list.isFetching
          ? t("common:loading")
          : t("charities:found", { count: charities.length })}
      </p>

      {list.currentData === undefined && !refused && <CardSkeletons />}
      {(refused || (list.currentData !== undefined && charities.length === 0)) && (
        <section className="panel mt-8 text-center" data-testid="empty">
          <h2 className="text-2xl font-semibold">{t("charities:empty.title")}</h2>
          <p className="mt-2 text-muted">{t("charities:empty.text")}</p>
          {filtered && (
            <button
              type="button"
              className="button mt-5"
              onClick={() => {
                change({ q: "", category: "", country: "" });
              }}
            >
              {t("charities:empty.clear")}
            </button>
          )}
        </section>
      )}
      {charities.length > 0 && (
        <ul className="mt-8 grid gap-6 sm:grid-cols-2 lg:grid-cols-3" data-testid="charity-list">
          {charities.map((charity, index) => (
            <CharityCard
              key={charity.charity_id}
              charity={charity}
              config={config}
              eager={index < 3}
            />
          ))}
        </ul>
      )}

      {list.isFetchNextPageError && (
        <p role="alert" className="notice mt-6">
          {t("charities:more_failed")}
        </p>
      )}
      {list.hasNextPage && (
        <div className="mt-8 text-center">
          <button
            type="button"
            className="button-quiet"
            disabled={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {list.isFetchingNextPage ? t("common:loading") : t("charities:more")}
          </button>
        </div>
      )}
    </>
  );
}
