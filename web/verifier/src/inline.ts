/** The verifier with its WebAssembly module inside: for pages of one file, and for bundlers that know no assets. */

import { type CreateVerifier, type VerifyGroth16, entryIn } from "./entry.js";
import wasmBase64 from "./generated/wasm-base64.js";

export * from "./public.js";

function ownModule(): BufferSource {
  return Uint8Array.from(atob(wasmBase64), (character) => character.charCodeAt(0));
}

const entry = /* @__PURE__ */ entryIn({ ownModule, alwaysWorkers: false });

export const createVerifier: CreateVerifier = entry.createVerifier;
export const verifyGroth16: VerifyGroth16 = entry.verifyGroth16;
