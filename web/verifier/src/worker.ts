/** The verifier in Web Workers of its own, also where no page waits for it. */

import { ownModule } from "#wasm";
import { type CreateVerifier, type VerifyGroth16, entryIn } from "./entry.js";

export * from "./public.js";

const entry = /* @__PURE__ */ entryIn({ ownModule, alwaysWorkers: true });

export const createVerifier: CreateVerifier = entry.createVerifier;
export const verifyGroth16: VerifyGroth16 = entry.verifyGroth16;
