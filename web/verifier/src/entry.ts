/** What every entry of the package offers, in surroundings of its own. */

import type { Groth16Inputs, Groth16Key, Groth16Proof } from "./groth16.js";
import type { Groth16Report } from "./pkg/clearproof_verifier.js";
import { type Surroundings, type Verifier, type VerifierOptions, makeVerifier } from "./verifier.js";

/* eslint @typescript-eslint/prefer-function-type: "off" -- editors show the text at a call signature */

export interface CreateVerifier {
  /**
   * A verifier with these pins.
   *
   * @throws {VerificationError} when an option or a pin cannot be used, or the module cannot be loaded.
   */
  (options: VerifierOptions): Promise<Verifier>;
}

export interface VerifyGroth16 {
  /**
   * Judges a Groth16 proof over BN254 under a key that you supply, with a verifier made at the first call.
   *
   * @throws {VerificationError} when there is no report.
   */
  (key: Groth16Key, proof: Groth16Proof, publicInputs: Groth16Inputs): Promise<Groth16Report>;
}

export interface Entry {
  readonly createVerifier: CreateVerifier;
  readonly verifyGroth16: VerifyGroth16;
}

export function entryIn(surroundings: Surroundings): Entry {
  const createVerifier: CreateVerifier = (options) => makeVerifier(options, surroundings);
  let plain: Promise<Verifier> | undefined;
  return {
    createVerifier,
    verifyGroth16: async (key, proof, publicInputs) => {
      plain ??= createVerifier({ trust: [] }).catch((error: unknown) => {
        plain = undefined;
        throw error;
      });
      return (await plain).verifyGroth16(key, proof, publicInputs);
    },
  };
}
