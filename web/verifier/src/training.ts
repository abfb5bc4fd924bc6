/** Certificates of federated trainings: a WebAssembly module of their own, which is loaded before anything else. */

import { ownModule } from "#training-wasm";
import { initSync } from "./training-pkg/clearproof_training.js";
import { type WasmSource, compile } from "./wasm/compile.js";

export * from "./training-pkg/clearproof_training.js";
export type { WasmSource } from "./wasm/compile.js";
export { VerificationError } from "./errors.js";

/**
 * Loads the module, once for all who await it: the one of the package, or another copy of it.
 * @throws {VerificationError} `wasm-unavailable`
 */
export async function load(wasm?: WasmSource | Promise<WasmSource>): Promise<void> {
  initSync({ module: await compile(wasm ?? ownModule()) });
}
