/** Training certificates with what belongs to them, tests/vectors/training. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../tests/vectors/training/", import.meta.url));

/** @param {string} path @returns {import("./browser.mjs").DroppedFile} */
function trainingFile(path) {
  return { name: path.replace("/", "-"), bytes: readFileSync(`${FOLDER}${path}`) };
}

/*
 * Made anew, in tests/vectors, by
 * clearproof federated simulate --parties 3 --coordinates 8 --bits 24 --log-rows 9 --rounds 2 --epsilon 2 --norm-proofs --out training
 */
export const summed = { certificate: trainingFile("certificate.bin"), roster: trainingFile("roster.json") };

/** A model that was trained, compiled and decides; one party's constraint, under a key that one person made: prover/federated/examples/deployed_model.rs */
export const deployed = {
  certificate: trainingFile("deployed/certificate.bin"),
  roster: trainingFile("deployed/roster.json"),
  decisions: trainingFile("deployed/decisions.evidence"),
  trust: trainingFile("deployed/verifier.bin"),
};

/** Such a model, under a key that two of the firms made, on powers of tau by two persons. */
export const agreed = {
  certificate: trainingFile("agreed/certificate.bin"),
  roster: trainingFile("agreed/roster.json"),
  decisions: trainingFile("agreed/decisions.evidence"),
  trust: trainingFile("agreed/verifier.bin"),
};

/** As shared/src/training/certificate.rs: SHA-256 of the deterministic CBOR of names and keys. @param {Buffer} json */
export function digestOfRoster(json) {
  /** @type {unknown} */
  const parsed = JSON.parse(json.toString());
  const { parties } = /** @type {{ parties: { name: string, signing_key: string, sealing_key: string }[] }} */ (parsed);
  const key = (/** @type {string} */ hex) => [Buffer.from([0x58, 32]), Buffer.from(hex, "hex")];
  const parts = parties.flatMap((party) => [
    Buffer.from([0x83, 0x60 + party.name.length]),
    Buffer.from(party.name),
    ...key(party.signing_key),
    ...key(party.sealing_key),
  ]);
  return createHash("sha256").update(Buffer.concat([Buffer.from([0x80 + parties.length]), ...parts])).digest("hex");
}
