import { useEffect, useRef, useState } from "react";

import type { Config } from "@/shared/api/types";
import type { CardFields, CardProblems } from "@/shared/card/card-fields";
import { loadCardFields } from "@/shared/card/load-card-fields";

export interface Card {
  /** Takes the element that the gateway draws its inputs into. */
  setRoot: (root: HTMLElement | null) => void;
  fields: CardFields | null;
  problems: CardProblems;
  failed: boolean;
  retry: () => void;
}

/** Loads and mounts the card fields of the gateway in use; takes them away with the page. */
export function useCard(config: Config): Card {
  const [root, setRoot] = useState<HTMLElement | null>(null);
  const [fields, setFields] = useState<CardFields | null>(null);
  const [problems, setProblems] = useState<CardProblems>({});
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const { gateway } = config;
  const settings = useRef(config);

  useEffect(() => {
    if (root === null) return undefined;
    let gone = false;
    let mounted: CardFields | null = null;
    const start = async () => {
      const loaded = await loadCardFields(settings.current);
      if (gone) return;
      mounted = loaded;
      loaded.onChange((state) => {
        setProblems(state.problems);
      });
      await loaded.mount(root);
      setFields(loaded);
    };
    start().catch(() => {
      if (!gone) setFailed(true);
    });
    return () => {
      gone = true;
      mounted?.destroy();
      setFields(null);
    };
  }, [gateway, attempt, root]);

  const retry = () => {
    setFailed(false);
    setAttempt((before) => before + 1);
  };
  return { setRoot, fields, problems, failed, retry };
}
