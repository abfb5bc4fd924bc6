/** The module for training certificates, fetched. Bundlers find it by this very expression. */
export function ownModule(): Promise<Response> {
  return fetch(new URL("../training-pkg/clearproof_training_bg.wasm", import.meta.url));
}
