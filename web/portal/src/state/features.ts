/** What the portal needs of a browser, by names that a person can search for. */

const NEEDED: readonly (readonly [string, () => boolean])[] = [
  ["WebAssembly", () => typeof WebAssembly === "object"],
  ["Worker", () => typeof Worker === "function"],
  ["BroadcastChannel", () => typeof BroadcastChannel === "function"],
  ["AbortSignal.any", () => typeof AbortSignal.any === "function"],
  ["DecompressionStream", () => typeof DecompressionStream === "function"],
  ["Blob.stream", () => typeof Blob.prototype.stream === "function"],
  ["CSS light-dark()", () => CSS.supports("color", "light-dark(#000, #fff)")],
];

/** Whether the browser computes hashes for the page: it does for those over https, of this machine or from a disk. */
export function canHash(): boolean {
  return (crypto as { readonly subtle?: SubtleCrypto }).subtle !== undefined;
}

export function missingFeatures(): string[] {
  return NEEDED.flatMap(([name, present]) => (present() ? [] : [name]));
}
