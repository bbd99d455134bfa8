import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { PageHeading } from "./PageHeading";

interface Props {
  title: string;
  /** What is true about the donor's money at this moment. */
  reassurance: string;
  onRetry: () => void;
}

const FIRST_RETRY_MS = 4_000;
const RETRY_MS_MAX = 30_000;

/** A friendly page for a server that is away. Tries again by itself, slower each time. */
export function Away({ title, reassurance, onRetry }: Props) {
  const { t } = useTranslation();
  const retry = useRef(onRetry);
  useEffect(() => {
    retry.current = onRetry;
  });

  useEffect(() => {
    let delay_ms = FIRST_RETRY_MS;
    let timer: ReturnType<typeof setTimeout>;
    const again = () => {
      retry.current();
      delay_ms = Math.min(delay_ms * 1.6, RETRY_MS_MAX);
      timer = setTimeout(again, delay_ms);
    };
    timer = setTimeout(again, delay_ms);
    const online = () => {
      retry.current();
    };
    window.addEventListener("online", online);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("online", online);
    };
  }, []);

  return (
    <section className="panel mx-auto max-w-xl text-center" role="status" data-testid="away">
      <PageHeading title={title}>{title}</PageHeading>
      <p className="mt-4 text-lg">{reassurance}</p>
      <p className="mt-2 text-muted">{t("away.retrying")}</p>
      <button type="button" className="button mt-6" onClick={onRetry}>
        {t("away.retry")}
      </button>
    </section>
  );
}
