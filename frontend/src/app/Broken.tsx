import { useTranslation } from "react-i18next";

import { PageHeading } from "@/shared/ui/PageHeading";
import { reassurance } from "@/shared/ui/reassurance";

/** A page that could not be drawn or fetched: after a new release, old chunks are gone. */
export function Broken() {
  const { t } = useTranslation();
  return (
    <section className="panel mx-auto my-10 max-w-xl text-center" role="alert" data-testid="broken">
      <PageHeading title={t("broken.title")}>{t("broken.title")}</PageHeading>
      <p className="mt-4 text-lg">{t("broken.text")}</p>
      <p className="mt-2">{reassurance()}</p>
      <button
        type="button"
        className="button mt-6"
        onClick={() => {
          globalThis.location.reload();
        }}
      >
        {t("broken.reload")}
      </button>
    </section>
  );
}
