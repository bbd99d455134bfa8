/**
 * What this tab remembers across a reload. Falls back to memory where the browser forbids
 * storage: giving then still works, only a reload forgets.
 */
const memory = new Map<string, string>();
const listeners = new Set<() => void>();

export function readSession(key: string): unknown {
  let text: string | null | undefined;
  try {
    text = sessionStorage.getItem(key);
  } catch {
    text = null;
  }
  text ??= memory.get(key);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function writeSession(key: string, value: unknown): void {
  const text = JSON.stringify(value);
  try {
    sessionStorage.setItem(key, text);
    memory.delete(key);
  } catch {
    memory.set(key, text);
  }
  tell();
}

export function removeSession(key: string): void {
  memory.delete(key);
  try {
    sessionStorage.removeItem(key);
  } catch {
    // Forbidden storage holds nothing to remove.
  }
  tell();
}

/** The keys that start with `prefix`, in no particular order. */
export function sessionKeys(prefix: string): string[] {
  const keys = new Set(memory.keys());
  try {
    for (let i = 0; i < sessionStorage.length; i += 1) {
      const key = sessionStorage.key(i);
      if (key !== null) keys.add(key);
    }
  } catch {
    // Only memory is left.
  }
  return [...keys].filter((key) => key.startsWith(prefix));
}

/** Calls `listener` after every change made by this page; returns the way to stop. */
export function subscribeSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

function tell(): void {
  for (const listener of listeners) listener();
}
