/** The list of pinned models: what each pins, its fingerprint, and a button to remove it. */

import { fileSize, h } from "./dom.js";
import type { Pin } from "./trust-store.js";

export function trustItem(pin: Pin, onRemove: () => void): HTMLElement {
  const { bundle } = pin;
  const name = bundle.modelName === "" ? pin.fileName : bundle.modelName;
  const remove = h("button", { type: "button", class: "quiet", "aria-label": `Remove ${name}` }, "Remove");
  remove.addEventListener("click", onRemove);
  const facts = [
    ["Fingerprint", bundle.fingerprint],
    ["Circuit", bundle.circuitId],
  ] as const;
  return h(
    "li",
    { "data-fingerprint": bundle.fingerprint },
    h(
      "div",
      { class: "pin-head" },
      h("strong", {}, name),
      h("span", { class: "tag" }, bundle.scheme.toUpperCase()),
      ...(bundle.insecureDevSrs ? [h("span", { class: "tag insecure" }, "development set-up")] : []),
      remove,
    ),
    h(
      "dl",
      {},
      ...facts.flatMap(([label, hex]) => [h("dt", {}, label), h("dd", {}, h("code", { class: "digest" }, groups(hex)))]),
    ),
    h("p", { class: "hint" }, `${pin.fileName}, ${fileSize(pin.bytes.length)}`),
  );
}

/** A digest in groups of four, so that a person can compare it with a printed one. */
function groups(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, "$1 ");
}
