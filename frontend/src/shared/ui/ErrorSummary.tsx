import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

export interface SummaryItem {
  /** The id of the input that the line leads to, or null when it concerns none. */
  target: string | null;
  label: string | null;
  message: string;
  focus?: () => void;
}

interface Props {
  items: SummaryItem[];
  /** Changes with each failed try: the summary then takes the focus again. */
  attempt: number;
}

/** What stands in the way of sending, each line naming its field and leading to it. */
export function ErrorSummary({ items, attempt }: Props) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.focus();
  }, [attempt]);

  return (
    <div
      ref={box}
      role="alert"
      tabIndex={-1}
      data-testid="error-summary"
      className="rounded-xl border-2 border-danger bg-danger-soft p-4"
    >
      <h2 className="font-semibold">{t("summary.title", { count: items.length })}</h2>
      <ul className="mt-2 grid gap-1">
        {items.map((item) => {
          const { label, message } = item;
          const text = label === null ? message : t("summary.item", { label, message });
          return (
            <li key={`${item.target ?? ""}-${text}`}>
              {item.target === null ? (
                text
              ) : (
                <a
                  href={`#${item.target}`}
                  className="link inline-block py-0.5"
                  onClick={(event) => {
                    event.preventDefault();
                    if (item.focus) item.focus();
                    else document.getElementById(item.target ?? "")?.focus();
                  }}
                >
                  {text}
                </a>
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
