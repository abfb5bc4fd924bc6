/** The verifier for Node, Deno, bundlers and browsers. Its WebAssembly module is a file beside it. */

import { ownModule } from "#wasm";
import type { Groth16Inputs, Groth16Key, Groth16Proof } from "./groth16.js";
import type { Groth16Report } from "./pkg/clearproof_verifier.js";
import { type Surroundings, type Verifier, type VerifierOptions, makeVerifier } from "./verifier.js";

export * from "./public.js";

const SURROUNDINGS: Surroundings = { ownModule, alwaysWorkers: false };

/**
 * A verifier with these pins.
 *
 * @throws {VerificationError} when an option or a pin cannot be used, or the module cannot be loaded.
 */
export function createVerifier(options: VerifierOptions): Promise<Verifier> {
  return makeVerifier(options, SURROUNDINGS);
}

let plain: Promise<Verifier> | undefined;

/**
 * Judges a Groth16 proof over BN254 under a key that you supply, with a verifier made at the first call.
 *
 * @throws {VerificationError} when there is no report.
 */
export async function verifyGroth16(
  key: Groth16Key,
  proof: Groth16Proof,
  publicInputs: Groth16Inputs,
): Promise<Groth16Report> {
  plain ??= createVerifier({ trust: [] }).catch((error: unknown) => {
    plain = undefined;
    throw error;
  });
  return (await plain).verifyGroth16(key, proof, publicInputs);
}
