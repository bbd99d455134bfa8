import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import type { SentGift } from "@/shared/gifts/open-form";
import { useLang } from "@/shared/i18n/use-lang";
import { formatMoney } from "@/shared/money/format-money";

interface Props {
  sent: SentGift;
  onYes: () => void;
  onNo: () => void;
  /** Escape: back to the form; nothing was sent or stored. */
  onCancel: () => void;
}

export function DuplicateDialog({ sent, onYes, onNo, onCancel }: Props) {
  const { t } = useTranslation("giving");
  const lang = useLang();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    if (shown !== null && !shown.open) shown.showModal();
    return () => {
      shown?.close();
    };
  }, []);

  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby="duplicate-title"
      aria-describedby="duplicate-text"
      data-testid="duplicate"
      onCancel={(event) => {
        event.preventDefault();
        onCancel();
      }}
    >
      <h2 id="duplicate-title" className="text-2xl font-semibold">
        {t("duplicate.title")}
      </h2>
      <p id="duplicate-text" className="mt-3">
        {t("duplicate.text", {
          amount: formatMoney(sent.body.amount, sent.body.currency, lang),
          charity: sent.charity_name,
        })}
      </p>
      <div className="mt-6 grid gap-3 sm:grid-cols-2">
        <button type="button" className="button" onClick={onNo}>
          {t("duplicate.no")}
        </button>
        <button type="button" className="button-quiet" onClick={onYes}>
          {t("duplicate.yes")}
        </button>
      </div>
    </dialog>
  );
}
