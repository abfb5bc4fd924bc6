/** The message catalogue. Whatever the page says itself comes from here; what files say does not. */

import en from "../messages/en.json";

export type Key = keyof typeof en;

/** `en-XA` is English with accents and a third longer, `ar-XB` the same from right to left: to find what is hard-coded. */
export const LOCALES = ["en", "en-XA", "ar-XB"] as const;

export type Locale = (typeof LOCALES)[number];

class Language {
  locale = $state<Locale>("en");

  get direction(): "ltr" | "rtl" {
    return this.locale === "ar-XB" ? "rtl" : "ltr";
  }
}

export const language = new Language();

type Values = Readonly<Record<string, string | number>>;

/** The message with its values. `{n, plural, one {# file} other {# files}}` is the one form beside `{name}`. */
export function message(key: Key, values: Values = {}): string {
  return filled(language.locale === "en" ? en[key] : pseudo(en[key]), values);
}

/** The same for a key that is put together; the key itself where the catalogue has none. */
export function messageOr(key: string, otherwise: string, values: Values = {}): string {
  return Object.hasOwn(en, key) ? message(key as Key, values) : otherwise;
}

function filled(template: string, values: Values): string {
  const chosen = template.replace(
    /\{(\w+), plural, one \{([^}]*)\} other \{([^}]*)\}\}/g,
    (_, name: string, one: string, other: string) => {
      const value = Number(values[name]);
      return (RULES.select(value) === "one" ? one : other).replace("#", number(value));
    },
  );
  return chosen.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

const RULES = new Intl.PluralRules("en");
const NUMBERS = new Intl.NumberFormat("en");

/** `12,345`. */
export function number(value: number): string {
  return NUMBERS.format(value);
}

/** Brackets, accents and length; what is in braces stays, but for the texts of a plural. */
function pseudo(text: string): string {
  let depth = 0;
  let result = "";
  for (const character of text) {
    if (character === "{") {
      depth += 1;
    }
    // Names of values, and the words of a plural's rule; its texts are one deeper.
    result += depth === 1 ? character : (ACCENTS[character] ?? character);
    if (character === "}") {
      depth -= 1;
    }
  }
  return `⟦${result}${"·".repeat(Math.ceil(text.length / 4))}⟧`;
}

const PLAIN = "aeiouycnsAEIOUYCNS";
const ACCENTED = "áéíóúýçñšÁÉÍÓÚÝÇÑŠ";
const ACCENTS: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from(PLAIN, (letter, index) => [letter, ACCENTED.charAt(index)]),
);
