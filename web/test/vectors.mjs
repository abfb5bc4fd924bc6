/** The prover's evidence files (tests/vectors), and ways of damaging them. */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../tests/vectors/", import.meta.url));

/**
 * @typedef {object} Vector
 * @property {string} name
 * @property {import("./browser.mjs").DroppedFile} evidence
 * @property {import("./browser.mjs").DroppedFile} trust
 * @property {boolean} development whether it needs development set-ups to be accepted
 */

/** Every `NAME.evidence` with its `NAME.verifier.bin`. None is an error: these tests prove nothing without. */
export function loadVectors() {
  const names = readdirSync(FOLDER)
    .filter((file) => file.endsWith(".evidence"))
    .map((file) => file.slice(0, -".evidence".length));
  if (names.length === 0) {
    throw new Error(`${FOLDER} holds no .evidence file`);
  }
  return names.map((name) => {
    /** @param {string} suffix */
    const file = (suffix) => ({ name: `${name}${suffix}`, bytes: readFileSync(`${FOLDER}${name}${suffix}`) });
    return {
      name,
      evidence: file(".evidence"),
      trust: file(".verifier.bin"),
      development: name.startsWith("kzg"),
    };
  });
}

/** A model with KZG keys on powers of tau by two persons, and decisions by it: made by tests/vectors/ceremony/make.mjs. */
export const ceremony = {
  trust: { name: "ceremony.verifier.bin", bytes: readFileSync(`${FOLDER}ceremony/verifier.bin`) },
  decisions: { name: "ceremony.evidence", bytes: readFileSync(`${FOLDER}ceremony/decisions.evidence`) },
};

/**
 * The file with one bit changed.
 * @param {import("./browser.mjs").DroppedFile} file
 * @param {number} offset
 */
export function flip(file, offset) {
  const bytes = Buffer.from(file.bytes);
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
  return { name: `flipped-${offset.toString()}-${file.name}`, bytes };
}

/**
 * What an attacker would change, and the check that must fail for it.
 * @type {readonly { what: string, failed: string, offset: (bytes: Buffer) => number }[]}
 */
export const TAMPERINGS = [
  { what: "the file's first byte", failed: "evidence.encoding", offset: () => 0 },
  { what: "a record's time", failed: "proof", offset: (bytes) => bytes.lastIndexOf("2024-06-03") + 3 },
  { what: "a scalar of the link", failed: "link", offset: (bytes) => bytes.length - 100 },
];
