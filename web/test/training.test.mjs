/** Training certificates in WebAssembly: the command's verdicts, on certificates that the command and the learner made. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Files, Verifier, describeTrainingCertificate, initSync, rosterDigest } from "../verifier/src/training-pkg/clearproof_training.js";
import { agreed, deployed, digestOfRoster, summed } from "./training-files.mjs";

const certificate = summed.certificate.bytes;
const roster = digestOfRoster(summed.roster.bytes);

before(() => {
  initSync({ module: readFileSync(fileURLToPath(new URL("../verifier/src/training-pkg/clearproof_training_bg.wasm", import.meta.url))) });
});

/** @param {Uint8Array} bytes @param {string | undefined} roster @param {{ decisions?: Uint8Array, development?: boolean }} [more] */
function judge(bytes, roster, { decisions, development = false } = {}) {
  const [verifier, files] = [new Verifier(), new Files()];
  try {
    if (decisions !== undefined) {
      assert.ok(files.begin("decisions", decisions.length) && files.append(decisions));
    }
    if (development) {
      verifier.allowInsecureDevSrs();
    }
    return verifier.verifyTrainingCertificate(bytes, roster, files);
  } finally {
    files.free();
    verifier.free();
  }
}

/** @param {ReturnType<typeof judge>} report @param {"passed" | "failed"} result */
function names(report, result) {
  return report.checks.filter((check) => check.result === result).map(({ name }) => name);
}

test("a certificate is valid for who knows the roster", () => {
  const report = judge(certificate, roster);
  assert.equal(report.verdict, "valid", JSON.stringify(report.checks));
  assert.equal(report.rounds, 2);
  assert.ok(report.parties.every((party) => party.signed && party.rounds === 2));
  const passed = new Set(names(report, "passed"));
  for (const name of ["training.survivors", "training.norms", "training.sums", "privacy.noise", "privacy.epsilon", "training.signatures"]) {
    assert.ok(passed.has(name), name);
  }
  assert.ok(report.privacy !== null && report.privacy.epsilon <= report.privacy.promisedEpsilon);
  assert.ok(report.notChecked.some((text) => text.includes("num_samples")));
});

test("without the roster it cannot be told; with another it is invalid", () => {
  assert.equal(judge(certificate, undefined).verdict, "unknown");
  for (const other of ["00".repeat(32), "no digest"]) {
    const report = judge(certificate, other);
    assert.equal(report.verdict, "invalid");
    assert.deepEqual(names(report, "failed"), ["training.roster"]);
  }
});

test("changed and cut bytes are invalid, and never an exception", () => {
  for (let at = 0; at < certificate.length; at += Math.ceil(certificate.length / 12)) {
    const bent = Uint8Array.from(certificate);
    bent[at] = (bent[at] ?? 0) ^ 0x10;
    assert.equal(judge(bent, roster).verdict, "invalid", `byte ${at.toString()}`);
    assert.equal(judge(certificate.subarray(0, at), roster).verdict, "invalid", `cut at ${at.toString()}`);
  }
});

test("decisions are by the certificate's model, or not", () => {
  const known = digestOfRoster(deployed.roster.bytes);
  const settings = { decisions: deployed.decisions.bytes, development: true };
  const report = judge(deployed.certificate.bytes, known, settings);
  assert.equal(report.verdict, "valid", JSON.stringify(report.checks));
  assert.ok(names(report, "passed").includes("evidence.model"));
  // A key of one person's is refused unless that is allowed.
  assert.deepEqual(names(judge(deployed.certificate.bytes, known, { ...settings, development: false }), "failed"), ["compliance.setup"]);
  // Other decisions are not by this model.
  const other = readFileSync(fileURLToPath(new URL("../../tests/vectors/ipa-one.evidence", import.meta.url)));
  assert.deepEqual(names(judge(deployed.certificate.bytes, known, { ...settings, decisions: other }), "failed"), ["evidence.model"]);
});

test("a constraint's key that two parties made needs no allowance", () => {
  const report = judge(agreed.certificate.bytes, digestOfRoster(agreed.roster.bytes), { decisions: agreed.decisions.bytes });
  assert.equal(report.verdict, "valid", JSON.stringify(report.checks));
  assert.ok(names(report, "passed").includes("compliance.setup"));
  assert.deepEqual(report.compliance.map(({ contributors }) => contributors), [["Aurora Bank", "Borealis Credit"]]);
});

test("a certificate says which roster and model it is of, unchecked", () => {
  const claims = describeTrainingCertificate(deployed.certificate.bytes);
  assert.equal(claims?.roster, digestOfRoster(deployed.roster.bytes));
  assert.equal(claims.commitment, judge(deployed.certificate.bytes, undefined).deployment?.commitment);
  assert.deepEqual(describeTrainingCertificate(certificate), { roster, commitment: null });
  for (const none of [Uint8Array.of(), certificate.subarray(0, 1000), deployed.decisions.bytes]) {
    assert.equal(describeTrainingCertificate(none), null);
  }
});

test("a roster's digest is that of its names and keys", () => {
  /** @type {unknown} */
  const parsed = JSON.parse(summed.roster.bytes.toString());
  const { parties } = /** @type {{ parties: { name: string, signing_key: string, sealing_key: string }[] }} */ (parsed);
  const keys = Buffer.from(parties.map((party) => party.signing_key + party.sealing_key).join(""), "hex");
  assert.equal(rosterDigest(parties.map(({ name }) => name), keys), roster);
  assert.equal(rosterDigest(["one"], keys), undefined);
  assert.equal(rosterDigest(parties.map(({ name }) => name), keys.subarray(1)), undefined);
});
