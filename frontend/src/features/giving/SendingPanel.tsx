import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import type { SentGift } from "@/shared/gifts/open-form";
import { useLang } from "@/shared/i18n/use-lang";
import { formatMoney } from "@/shared/money/format-money";
import { PageHeading } from "@/shared/ui/PageHeading";

import type { Sending } from "./send-gift";

interface Props {
  sent: SentGift;
  sending: Sending;
  onTryNow: () => void;
  onChange: () => void;
}

const SLOW_MS = 12_000;

/** Stands in for the form while the gift is under way. Reloading it is safe, and it says so. */
export function SendingPanel({ sent, sending, onTryNow, onChange }: Props) {
  const { t } = useTranslation("giving");
  const lang = useLang();
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => {
      setSlow(true);
    }, SLOW_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);

  const waiting = sending.phase === "waiting";
  const checking = sending.phase === "checking";
  const title = waiting
    ? t("sending.still_trying")
    : t(checking ? "sending.checking" : "sending.title");
  return (
    <section
      className="panel mx-auto max-w-xl text-center"
      data-testid="sending"
      data-phase={sending.phase}
    >
      <div className="spinner mx-auto mb-5" aria-hidden="true" />
      <PageHeading title={title} alwaysFocus>
        {title}
      </PageHeading>
      <div role="status">
        <p className="mt-4 text-lg">
          {waiting
            ? t(`sending.reason.${sending.reason}`)
            : t(checking ? "sending.checking_text" : "sending.text")}
        </p>
        <p className="mt-2 font-medium">
          {waiting
            ? t(sending.in_doubt ? "sending.in_doubt" : "sending.nothing_charged")
            : t("sending.reload_safe")}
        </p>
        {slow && !waiting && !checking && <p className="mt-2 text-muted">{t("sending.slow")}</p>}
      </div>
      <p className="mt-5 border-t border-line pt-5">
        {t("sending.gift", {
          amount: formatMoney(sent.body.amount, sent.body.currency, lang),
          charity: sent.charity_name,
        })}
      </p>
      {waiting && (
        <div className="mt-5">
          <Countdown until_ms={sending.next_try_at_ms} />
          <div className="mt-3 flex flex-wrap justify-center gap-3">
            <button type="button" className="button" onClick={onTryNow}>
              {t("sending.try_now")}
            </button>
            {!sending.in_doubt && (
              <button type="button" className="button-quiet" onClick={onChange}>
                {t("sending.change")}
              </button>
            )}
          </div>
        </div>
      )}
    </section>
  );
}

/** Not a live region: a screen reader must not count along. */
function Countdown({ until_ms }: { until_ms: number }) {
  const { t } = useTranslation("giving");
  const [now_ms, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(Date.now());
    }, 500);
    return () => {
      clearInterval(timer);
    };
  }, []);
  const seconds = Math.max(0, Math.ceil((until_ms - now_ms) / 1000));
  const minutes = Math.ceil(seconds / 60);
  return (
    <p className="text-sm text-muted tabular-nums">
      {seconds <= 90
        ? t("sending.next_seconds", { count: seconds })
        : minutes <= 90
          ? t("sending.next_minutes", { count: minutes })
          : t("sending.next_hours", { count: Math.ceil(minutes / 60) })}
    </p>
  );
}
