import { useTranslation } from "react-i18next";
import { Link } from "react-router";

import { PageHeading } from "./PageHeading";

interface Props {
  title?: string;
  text?: string;
}

export function NotFound({ title, text }: Props) {
  const { t } = useTranslation();
  return (
    <section className="panel mx-auto max-w-xl text-center" data-testid="not-found">
      <PageHeading title={title ?? t("not_found.title")}>{title ?? t("not_found.title")}</PageHeading>
      <p className="mt-4 text-lg">{text ?? t("not_found.text")}</p>
      <Link to="/" className="button mt-6">
        {t("home")}
      </Link>
    </section>
  );
}
