/** The module beside this file, fetched. Bundlers find it by this very expression. */
export function ownModule(): Promise<Response> {
  return fetch(new URL("../pkg/clearproof_verifier_bg.wasm", import.meta.url));
}
