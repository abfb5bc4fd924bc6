/** Evidence of a desk with a log and two models, tests/desk. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../tests/desk/", import.meta.url));

/** @param {string} name @returns {import("./browser.mjs").DroppedFile} */
export function deskFile(name) {
  return { name, bytes: readFileSync(`${FOLDER}${name}`) };
}

export const desk = {
  first: deskFile("first.verifier.bin"),
  second: deskFile("second.verifier.bin"),
  logKey: deskFile("log.key"),
  witnessKey: deskFile("witness.key"),
  firstVisit: deskFile("first-visit.evidence"),
  secondVisit: deskFile("second-visit.evidence"),
  /** The entries since the first visit, under the second one's checkpoint with a witness's signature. */
  witnessed: deskFile("witnessed.evidence"),
};

/** @param {Buffer} bytes */
export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}
