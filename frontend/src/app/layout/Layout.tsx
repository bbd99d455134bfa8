import { useTranslation } from "react-i18next";
import { Link, Outlet, ScrollRestoration } from "react-router";

import { useGetConfigQuery } from "@/shared/api/get-config";

import { LanguageChoice } from "./LanguageChoice";
import { Unanswered } from "./Unanswered";

export function Layout() {
  const { t } = useTranslation(["common", "reference"]);
  const { data: config } = useGetConfigQuery(undefined);
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="skip-link"
        onClick={(event) => {
          // The fragment of a gift's page holds its token and must stay.
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        {t("skip")}
      </a>
      <header className="border-b border-line">
        {config?.sandbox === true && (
          <p className="bg-sandbox px-4 py-1.5 text-center text-sm text-sandbox-ink" data-testid="sandbox">
            {t("sandbox")}
          </p>
        )}
        <div className="frame flex items-center justify-between gap-4 py-3">
          <Link to="/" className="flex min-h-11 items-center gap-2.5 text-xl font-semibold">
            <Mark />
            Almoner
          </Link>
          <LanguageChoice />
        </div>
      </header>
      <main id="main" tabIndex={-1} className="frame w-full grow py-8 outline-none sm:py-12">
        <Unanswered />
        <Outlet />
      </main>
      <footer className="border-t border-line">
        <div className="frame flex flex-wrap items-baseline justify-between gap-x-8 gap-y-2 py-6 text-sm">
          <p className="text-muted">{t("footer")}</p>
          <Link to="/api" className="link inline-block py-1">
            {t("reference:link")}
          </Link>
        </div>
      </footer>
      <ScrollRestoration />
    </div>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
      <rect width="32" height="32" rx="9" className="fill-accent" />
      <g className="fill-accent-ink">
        <path d="M16 17.6c-3.9-2.6-5.9-4.7-5.9-7A3.3 3.3 0 0 1 16 8.6a3.3 3.3 0 0 1 5.9 2c0 2.3-2 4.4-5.9 7z" />
        <path d="M6.5 18.5h19a9.5 7 0 0 1-19 0z" />
      </g>
    </svg>
  );
}
