import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { BEHAVIOURS } from "../card/sandbox/test-cards";

import { declineMessage, fieldMessage } from "./field-message";
import { LANGUAGES } from "./languages";

const HERE = join(process.cwd(), "src/shared/i18n");
const FOLDERS = readdirSync(HERE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();
const TAGS: string[] = LANGUAGES.map(({ tag }) => tag);
const PLURAL = /_(zero|one|two|few|many|other)$/;

/** Every text of a language by "file:path". */
function texts(lang: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of readdirSync(join(HERE, lang)).filter((name) => name.endsWith(".json"))) {
    const walk = (value: unknown, path: string) => {
      if (typeof value === "string") found.set(path, value);
      else for (const [key, part] of Object.entries(value as object)) walk(part, `${path}.${key}`);
    };
    walk(JSON.parse(readFileSync(join(HERE, lang, file), "utf8")), file.replace(".json", ":"));
  }
  return found;
}

const placeholders = (text: string) => (text.match(/\{\{\w+\}\}/g) ?? []).sort();
const stems = (keys: Iterable<string>) => new Set([...keys].map((key) => key.replace(PLURAL, "")));

test("Folders, the list of languages and boot.js name the same languages", () => {
  const boot = readFileSync(join(process.cwd(), "public/boot.js"), "utf8");
  const named = /supported = (\[[^\]]*\])/.exec(boot)?.[1] ?? "[]";

  expect(FOLDERS).toEqual(TAGS.toSorted());
  expect(JSON.parse(named)).toEqual(TAGS);
});

describe.each(TAGS.filter((tag) => tag !== "en"))("%s against English", (lang) => {
  const english = texts("en");
  const other = texts(lang);

  test("has the same keys", () => {
    expect([...stems(other.keys())].sort()).toEqual([...stems(english.keys())].sort());
  });

  test("has the plural forms of its language, no more and no fewer", () => {
    const forms = new Intl.PluralRules(lang).resolvedOptions().pluralCategories.toSorted();
    const counted = [...other.keys()].filter((key) => PLURAL.test(key));
    for (const stem of stems(counted)) {
      const present = counted.filter((key) => key.replace(PLURAL, "") === stem);
      expect(present.map((key) => PLURAL.exec(key)?.[1]).sort(), stem).toEqual(forms);
    }
  });

  test("has the same placeholders", () => {
    for (const [key, text] of other) {
      const model = english.get(key) ?? english.get(key.replace(PLURAL, "_other"));
      expect(placeholders(text), key).toEqual(placeholders(model ?? ""));
    }
  });

  test("is translated, not copied", () => {
    const same = [...other].filter(([key, text]) => text === english.get(key) && /[a-z]{3}/i.test(text));
    expect(same.filter(([, text]) => !/^\{\{\w+\}\}$/.test(text))).toEqual([]);
  });
});

test.each(TAGS)("No text of %s is empty, and every behaviour of the test bank has a name", (lang) => {
  const all = texts(lang);

  expect([...all].filter(([, text]) => text.trim() === "")).toEqual([]);
  expect(Object.keys(BEHAVIOURS).filter((name) => !all.has(`card:.behaviour.${name}`))).toEqual([]);
});

describe("Problems of fields", () => {
  test("a known code is put into our words", () => {
    expect(fieldMessage("email", "invalid", "server words")).toMatch(/name@example\.com/);
    expect(fieldMessage("amount", "too_small", "", { min: "$1" })).toBe(
      "The smallest gift is $1. Please enter at least that.",
    );
  });

  test("a card number in a name is refused in our words, in every language", () => {
    for (const tag of TAGS) {
      expect(texts(tag).has("errors:.any.card_number"), tag).toBe(true);
    }
    expect(fieldMessage("first_name", "card_number", "server words")).toMatch(/looks like a card/);
  });

  test("another name of the same problem finds the same words", () => {
    expect(fieldMessage("currency", "unsupported_currency", "x")).toBe(
      fieldMessage("currency", "unknown_currency", "y"),
    );
    expect(fieldMessage("first_name", "missing")).toBe(fieldMessage("first_name", "empty"));
  });

  test("an unknown code falls back to the server's words, then to plain ones", () => {
    expect(fieldMessage("email", "no_such_code", "The server's words.")).toBe("The server's words.");
    expect(fieldMessage("email", "no_such_code")).toBe("Please look at this again.");
  });
});

test("A decline is told in donor words, unknown ones in the server's", () => {
  expect(declineMessage("insufficient_funds", "Insufficient funds")).toMatch(/not enough money/);
  expect(declineMessage("no_such_code", "The bank said no.")).toBe("The bank said no.");
  expect(declineMessage(null, null)).toMatch(/did not approve/);
});
