/** The verifier for Node, Deno, bundlers and browsers. Its WebAssembly module is a file beside it. */

import { ownModule } from "#wasm";
import { type CreateVerifier, type VerifyGroth16, entryIn } from "./entry.js";

export * from "./public.js";

const entry = /* @__PURE__ */ entryIn({ ownModule, alwaysWorkers: false });

export const createVerifier: CreateVerifier = entry.createVerifier;
export const verifyGroth16: VerifyGroth16 = entry.verifyGroth16;
