import { type ReactNode, useEffect, useRef } from "react";
import { useLocation } from "react-router";

interface Props {
  /** The document's title; the site's name is added. */
  title: string;
  children: ReactNode;
  className?: string;
  /** Takes the focus even without a link: for a page that replaces another in place. */
  alwaysFocus?: boolean;
}

/**
 * The h1 of a page. Takes the focus when the page was reached by a link, so that a screen reader
 * says where one is; not on the first load, where the browser already reads from the top.
 */
export function PageHeading({ title, children, className, alwaysFocus = false }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { key } = useLocation();
  const arrived_by_link = key !== "default";

  useEffect(() => {
    const before = document.title;
    document.title = `${title} · Almoner`;
    return () => {
      document.title = before;
    };
  }, [title]);

  useEffect(() => {
    if (alwaysFocus || arrived_by_link) heading.current?.focus();
    // Only on arrival: typing into the search changes the address, not the page.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);

  return (
    <h1
      ref={heading}
      tabIndex={-1}
      className={`text-3xl font-semibold tracking-tight text-balance outline-none sm:text-4xl ${className ?? ""}`}
    >
      {children}
    </h1>
  );
}
