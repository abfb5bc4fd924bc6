/** Training certificates in WebAssembly: the command's verdicts, on a certificate that the command made. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Files, initSync, verifyTrainingCertificate } from "../verifier/src/training-pkg/clearproof_training.js";

/*
 * Made anew, in tests/vectors, by
 * clearproof federated simulate --parties 3 --coordinates 8 --bits 24 --log-rows 9 --rounds 2 --epsilon 2 --norm-proofs --out training
 */
const read = (/** @type {string} */ path) => readFileSync(fileURLToPath(new URL(path, import.meta.url)));
const certificate = read("../../tests/vectors/training/certificate.bin");
const rosterJson = read("../../tests/vectors/training/roster.json").toString();

/** As shared/src/training/certificate.rs: SHA-256 of the deterministic CBOR of names and keys. @param {string} text */
function rosterDigest(text) {
  /** @type {unknown} */
  const parsed = JSON.parse(text);
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

before(() => {
  initSync({ module: read("../verifier/src/training-pkg/clearproof_training_bg.wasm") });
});

/** @param {Uint8Array} bytes @param {string | undefined} roster */
function judge(bytes, roster) {
  const files = new Files();
  try {
    return verifyTrainingCertificate(bytes, roster, files, false);
  } finally {
    files.free();
  }
}

test("a certificate is valid for who knows the roster", () => {
  const report = judge(certificate, rosterDigest(rosterJson));
  assert.equal(report.verdict, "valid", JSON.stringify(report.checks));
  assert.equal(report.rounds, 2);
  assert.ok(report.parties.every((party) => party.signed && party.rounds === 2));
  const passed = new Set(report.checks.filter((check) => check.result === "passed").map((check) => check.name));
  for (const name of ["training.survivors", "training.norms", "training.sums", "privacy.noise", "privacy.epsilon", "training.signatures"]) {
    assert.ok(passed.has(name), name);
  }
  assert.ok(report.privacy !== null && report.privacy.epsilon <= report.privacy.promisedEpsilon);
  assert.ok(report.notChecked.some((text) => text.includes("num_samples")));
});

test("without the roster it cannot be told; with another it is invalid", () => {
  assert.equal(judge(certificate, undefined).verdict, "unknown");
  for (const roster of ["00".repeat(32), "no digest"]) {
    const report = judge(certificate, roster);
    assert.equal(report.verdict, "invalid");
    assert.deepEqual(report.checks.filter((check) => check.result === "failed").map((check) => check.name), ["training.roster"]);
  }
});

test("changed and cut bytes are invalid, and never an exception", () => {
  const roster = rosterDigest(rosterJson);
  for (let at = 0; at < certificate.length; at += Math.ceil(certificate.length / 12)) {
    const bent = Uint8Array.from(certificate);
    bent[at] = (bent[at] ?? 0) ^ 0x10;
    assert.equal(judge(bent, roster).verdict, "invalid", `byte ${at.toString()}`);
    assert.equal(judge(certificate.subarray(0, at), roster).verdict, "invalid", `cut at ${at.toString()}`);
  }
});
