import { Link } from "react-router";

import type { Charity, Config } from "@/shared/api/types";
import { countryName } from "@/shared/i18n/names";
import { useLang } from "@/shared/i18n/use-lang";
import { Picture } from "@/shared/ui/Picture";

import { categoryTitle } from "./category-title";

interface Props {
  charity: Charity;
  config: Config | undefined;
  eager: boolean;
}

export function CharityCard({ charity, config, eager }: Props) {
  const lang = useLang();
  return (
    <li className="card group relative flex flex-col overflow-hidden" data-testid="charity-card">
      <Picture address={charity.picture} name={charity.name} eager={eager} />
      <div className="flex grow flex-col p-5">
        <p className="text-sm text-muted">
          {categoryTitle(config, charity.category, lang)} · {countryName(charity.country, lang)}
        </p>
        <h2 className="mt-1 text-xl font-semibold text-balance">
          {/* The link's area covers the card: one target, one name for screen readers. */}
          <Link
            to={`/c/${encodeURIComponent(charity.slug)}`}
            className="card-link group-hover:text-accent"
          >
            {charity.name}
          </Link>
        </h2>
        {charity.description !== null && (
          <p className="mt-2 line-clamp-3 text-muted">{charity.description}</p>
        )}
      </div>
    </li>
  );
}
