import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  value: string;
  onSearch: (q: string) => void;
}

const PAUSE_MS = 300;

/** Searches when the typing pauses; follows the address when that changes by itself. */
export function SearchBox({ value, onSearch }: Props) {
  const { t } = useTranslation("charities");
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  const search = useRef(onSearch);
  useEffect(() => {
    search.current = onSearch;
  });

  if (seen !== value) {
    setSeen(value);
    if (value !== text.trim()) setText(value);
  }

  useEffect(() => {
    const wanted = text.trim();
    if (wanted === value) return undefined;
    const timer = setTimeout(() => {
      search.current(wanted);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
    };
    // `value` is left out: when the address changes, the text follows it, not the reverse.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [text]);

  return (
    <form
      role="search"
      className="col-span-2 md:col-span-1"
      onSubmit={(event) => {
        event.preventDefault();
        search.current(text.trim());
      }}
    >
      <label htmlFor="search" className="mb-1 block font-medium">
        {t("search.label")}
      </label>
      <input
        id="search"
        type="search"
        className="control"
        value={text}
        maxLength={100}
        placeholder={t("search.placeholder")}
        onChange={(event) => {
          setText(event.target.value);
        }}
      />
    </form>
  );
}
