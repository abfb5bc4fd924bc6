/** The WebAssembly module by itself, in Node: its size, and that no bytes make it throw. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { brotliCompressSync, constants } from "node:zlib";
import { Verifier, describeTrust, initSync, verify as verifyFiles } from "../src/pkg/clearproof_verifier.js";
import { flip, loadVectors } from "./vectors.mjs";

// What it weighs, with a little room: growth is noticed. The aim is 260,000 and 80,000.
const RAW_LIMIT_BYTES = 228_000;
const BROTLI_LIMIT_BYTES = 79_500;

const module = readFileSync(new URL("../src/pkg/clearproof_verifier_bg.wasm", import.meta.url));
initSync({ module });

/**
 * The report on one file.
 * @param {import("../src/pkg/clearproof_verifier.js").EvidenceFile} file
 * @param {import("../src/pkg/clearproof_verifier.js").VerifyOptions} options
 */
function verify(file, options) {
  const [report, ...rest] = verifyFiles([file], options);
  assert.ok(report !== undefined && rest.length === 0, "one file, one report");
  assert.equal(report.file, file.name);
  return report;
}

/** @param {Uint8Array} bytes */
const asFile = (bytes) => ({ name: "dropped", bytes: new Uint8Array(bytes) });

test("the module is small", (t) => {
  const brotli = brotliCompressSync(module, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  t.diagnostic(`module: ${module.length.toString()} bytes, ${brotli.length.toString()} with brotli`);
  assert.ok(module.length <= RAW_LIMIT_BYTES, `${module.length.toString()} bytes`);
  assert.ok(brotli.length <= BROTLI_LIMIT_BYTES, `${brotli.length.toString()} bytes with brotli`);
});

test("random bytes are invalid, and never an exception", () => {
  for (const length of [0, 1, 31, 1000, 100_000]) {
    const file = asFile(randomBytes(length));
    assert.equal(verify(file, { trust: [], allowInsecureDevSrs: false }).verdict, "invalid");
    assert.equal(describeTrust(file).kind, "rejected");
  }
});

test("no files, no reports", () => {
  assert.deepEqual(verifyFiles([], { trust: [], allowInsecureDevSrs: true }), []);
});

for (const vector of loadVectors()) {
  test(`${vector.name}: no single flipped bit leaves it valid`, () => {
    const trust = [new Uint8Array(vector.trust.bytes)];
    const judge = (/** @type {Uint8Array} */ bytes) => verify(asFile(bytes), { trust, allowInsecureDevSrs: true });
    assert.equal(judge(vector.evidence.bytes).verdict, "valid");

    const size = vector.evidence.bytes.length;
    for (let step = 0; step < 40; step += 1) {
      const offset = Math.floor(((step + 0.5) * size) / 40);
      const report = judge(flip(vector.evidence, offset).bytes);
      assert.notEqual(report.verdict, "valid", `bit 0 of byte ${offset.toString()}`);
      assert.ok(report.checks.some((check) => check.outcome !== "passed" && check.reason !== ""));
    }
  });

  test(`${vector.name}: a verifier remembers the model, and says so; not what was trusted`, () => {
    const verifier = new Verifier();
    const file = asFile(vector.evidence.bytes);
    const options = { trust: [new Uint8Array(vector.trust.bytes)], allowInsecureDevSrs: true };
    const [first] = verifier.verify([file], options);
    const [second] = verifier.verify([file], options);
    const [unpinned] = verifier.verify([file], { ...options, trust: [] });
    const registration = (/** @type {typeof first} */ report) => report?.checks.find((check) => check.name === "registration");
    assert.deepEqual([first?.verdict, second?.verdict, unpinned?.verdict], ["valid", "valid", "unknown"]);
    assert.doesNotMatch(registration(first)?.reason ?? "", /checked before/);
    assert.match(registration(second)?.reason ?? "", /checked before/);
    assert.deepEqual(second?.records, first?.records);
    verifier.free();
  });

  test(`${vector.name}: cut short, or with a byte behind, it is invalid`, () => {
    const { bytes } = vector.evidence;
    const trust = [new Uint8Array(vector.trust.bytes)];
    for (const damaged of [bytes.subarray(0, -1), bytes.subarray(0, bytes.length / 2), Buffer.concat([bytes, Buffer.of(0)])]) {
      assert.equal(verify(asFile(damaged), { trust, allowInsecureDevSrs: true }).verdict, "invalid");
    }
  });
}
