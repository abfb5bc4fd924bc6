/** One element with attributes and children. Strings become text nodes, never markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** The element with this id, which index.html holds. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) {
    throw new Error(`index.html has no ${type.name} with id ${id}`);
  }
  return element;
}

/** `3f9a…07c2`: enough of a digest to compare at a glance; the whole one goes into the title. */
export function shortDigest(hex: string): string {
  return hex.length > 20 ? `${hex.slice(0, 10)}…${hex.slice(-8)}` : hex;
}

/** A digest, shortened, with the whole of it on hover and for copying. */
export function digest(hex: string): HTMLElement {
  return h("code", { class: "digest", title: hex }, shortDigest(hex));
}

/** `412 bytes`, `1.6 KB`, `2.1 MB`. */
export function fileSize(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes.toString()} bytes`;
  }
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** `under 0.1 ms`, `0.4 ms`, `12 ms`, `1.20 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 0.1) {
    return "under 0.1 ms";
  }
  if (milliseconds < 10) {
    return `${milliseconds.toFixed(1)} ms`;
  }
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** `1 decision`, `2 decisions`. */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
