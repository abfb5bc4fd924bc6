/** Markup put together from texts: whatever is no markup of ours is escaped. */

/** Markup that was made here. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Markup | readonly Markup[];

/** Markup with texts in it, each of which stays text. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((markup, index) => (index === 0 ? markup : `${written(parts[index - 1] ?? "")}${markup}`)).join(""));
}

function written(part: Part): string {
  if (part instanceof Markup) {
    return part.text;
  }
  return typeof part === "object" ? part.map(({ text }) => text).join("") : part.toString().replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0).toString()};`);
}
