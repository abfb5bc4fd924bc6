/** Groth16 with snarkjs: its proofs verify here, arkworks' (which this verifier reads too) verify there. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import * as snarkjs from "snarkjs";
import { installPacked } from "./packed.mjs";

const P = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

/** @type {ReturnType<typeof installPacked>} */
let packed;
/** @type {typeof import("@clearproof/verifier")} */
let verifier;
/** @type {{ terminate(): Promise<void> }} */
let curve;
/** @type {Awaited<ReturnType<typeof prove>>} */
let sample;

before(async () => {
  packed = installPacked();
  verifier = await packed.load("index");
  curve = await snarkjs.curves.getCurveFromName("bn128");
  sample = await prove(true);
});
after(async () => {
  await curve.terminate();
  packed.remove();
});

/** @param {bigint} value @param {number} length */
function littleEndian(value, length) {
  return Buffer.from(Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 255n)));
}

/** iden3's container: magic, version, sections. @param {string} magic @param {number} version @param {Buffer[]} sections */
function container(magic, version, sections) {
  const parts = sections.flatMap((bytes, index) => [littleEndian(BigInt(index + 1), 4), littleEndian(BigInt(bytes.length), 8), bytes]);
  return new Uint8Array(Buffer.concat([Buffer.from(magic), littleEndian(BigInt(version), 4), littleEndian(BigInt(sections.length), 4), ...parts]));
}

/** `a b = product`, `(a + b)^2 = square`; wires: one, product, square, a, b. */
function circuit() {
  const term = (/** @type {number} */ wire) => Buffer.concat([littleEndian(BigInt(wire), 4), littleEndian(1n, 32)]);
  const sum = (/** @type {number[]} */ ...wires) => Buffer.concat([littleEndian(BigInt(wires.length), 4), ...wires.map(term)]);
  const constraints = Buffer.concat([sum(3), sum(4), sum(1), sum(3, 4), sum(3, 4), sum(2)]);
  const header = Buffer.concat([
    littleEndian(32n, 4),
    littleEndian(P, 32),
    ...[5n, 2n, 0n, 2n].map((count) => littleEndian(count, 4)), // wires, public outputs, public and private inputs
    littleEndian(5n, 8),
    littleEndian(2n, 4),
  ]);
  const labels = Buffer.concat([0n, 1n, 2n, 3n, 4n].map((label) => littleEndian(label, 8)));
  return container("r1cs", 1, [header, constraints, labels]);
}

/** @param {bigint} a @param {bigint} b */
function witness(a, b) {
  const values = [1n, (a * b) % P, ((a + b) * (a + b)) % P, a, b];
  const header = Buffer.concat([littleEndian(32n, 4), littleEndian(P, 32), littleEndian(5n, 4)]);
  return container("wtns", 2, [header, Buffer.concat(values.map((value) => littleEndian(value, 32)))]);
}

/** A ceremony of one, a key and a proof. @param {boolean} contribute to the second phase */
async function prove(contribute) {
  const memory = () => ({ type: "mem", data: new Uint8Array() });
  const file = (/** @type {Uint8Array} */ data) => ({ type: "mem", data });
  const [start, contributed, tau, first, second] = [memory(), memory(), memory(), memory(), memory()];
  await snarkjs.powersOfTau.newAccumulator(curve, 4, start);
  await snarkjs.powersOfTau.contribute(start, contributed, "test", "any entropy");
  await snarkjs.powersOfTau.preparePhase2(contributed, tau);
  await snarkjs.zKey.newZKey(file(circuit()), tau, first);
  await snarkjs.zKey.contribute(first, second, "test", "other entropy");
  const zkey = contribute ? second : first;
  const { proof, publicSignals } = await snarkjs.groth16.prove(zkey, file(witness(123n, P - 45n)));
  return { key: await snarkjs.zKey.exportVerificationKey(zkey), proof, publicSignals };
}

/** As read from a file of JSON. @template T @param {T} value */
const json = (value) => {
  /** @type {unknown} */
  const parsed = JSON.parse(JSON.stringify(value));
  return /** @type {T} */ (parsed);
};

test("a proof by snarkjs verifies, and not for other inputs", async () => {
  const { key, proof, publicSignals } = json(sample);
  assert.equal(await snarkjs.groth16.verify(key, publicSignals, proof), true);
  const report = await verifier.verifyGroth16(key, proof, publicSignals);
  assert.equal(report.verdict, "valid", JSON.stringify(report.checks));
  assert.equal((await verifier.verifyGroth16(key, proof, publicSignals.map(BigInt))).verdict, "valid");
  for (const index of [0, 1]) {
    const other = publicSignals.with(index, (BigInt(publicSignals[index] ?? 0) + 1n).toString());
    assert.equal(await snarkjs.groth16.verify(key, other, proof), false);
    assert.equal((await verifier.verifyGroth16(key, proof, other)).verdict, "invalid");
  }
});

test("a key without a contribution to its second phase is refused", async () => {
  const { key, proof, publicSignals } = json(await prove(false));
  assert.equal(await snarkjs.groth16.verify(key, publicSignals, proof), true);
  const report = await verifier.verifyGroth16(key, proof, publicSignals);
  assert.equal(report.verdict, "invalid");
  assert.match(report.checks.at(-1)?.reason ?? "", /anybody can forge/);
});

test("JSON that is not canonical is refused by name, and never an exception", async () => {
  const { key, proof, publicSignals } = json(sample);
  const plusQ = (/** @type {string | undefined} */ x) => (BigInt(x ?? 0) + Q).toString();
  /** @type {[string, unknown, unknown, unknown][]} */
  const cases = [
    ["groth16.key", { ...key, protocol: "plonk" }, proof, publicSignals],
    ["groth16.key", { ...key, curve: "bls12381" }, proof, publicSignals],
    ["groth16.key", { ...key, nPublic: 3 }, proof, publicSignals],
    ["groth16.key", { ...key, IC: key.IC.slice(1) }, proof, publicSignals],
    ["groth16.key", { ...key, vk_delta_2: key.vk_gamma_2 }, proof, publicSignals],
    ["groth16.key", { ...key, vk_alpha_1: [plusQ(key.vk_alpha_1[0]), ...key.vk_alpha_1.slice(1)] }, proof, publicSignals],
    ["groth16.key", { ...key, vk_alpha_1: [`0${key.vk_alpha_1[0] ?? ""}`, ...key.vk_alpha_1.slice(1)] }, proof, publicSignals],
    ["groth16.key", null, proof, publicSignals],
    ["groth16.encoding", key, { ...proof, pi_a: ["1", "1", "1"] }, publicSignals],
    ["groth16.encoding", key, { ...proof, pi_a: proof.pi_a.with(2, "2") }, publicSignals],
    ["groth16.encoding", key, { ...proof, pi_b: proof.pi_c }, publicSignals],
    ["groth16.encoding", key, "proof", publicSignals],
    ["groth16.encoding", key, new Uint8Array(128), publicSignals],
    ["groth16.inputs", key, proof, publicSignals.slice(1)],
    ["groth16.inputs", key, proof, publicSignals.with(0, (BigInt(publicSignals[0] ?? 0) + P).toString())],
    ["groth16.inputs", key, proof, publicSignals.with(0, "-1")],
    ["groth16.inputs", key, proof, [-1n, 2n]],
    ["groth16.inputs", key, proof, [1, 2]],
    ["groth16.inputs", key, proof, undefined],
    ["groth16.proof", key, { ...proof, pi_c: ["0", "1", "0"] }, publicSignals],
  ];
  for (const [index, [failed, ...given]] of cases.entries()) {
    const [badKey, badProof, badInputs] =
      /** @type {Parameters<typeof verifier.verifyGroth16>} */ (/** @type {unknown} */ (given));
    const report = await verifier.verifyGroth16(badKey, badProof, badInputs);
    assert.equal(report.verdict, "invalid", `case ${index.toString()}`);
    assert.equal(report.checks.at(-1)?.name, failed, `case ${index.toString()}: ${report.checks.at(-1)?.reason ?? ""}`);
    assert.match(report.checks.at(-1)?.reason ?? "", /^Refused: .+\.$/);
  }
});

test("arkworks' proof, which verifies here, verifies in snarkjs", async () => {
  const read = (/** @type {string} */ name) => readFileSync(new URL(`../../tests/vectors/groth16/${name}`, import.meta.url));
  const [keyBytes, proofBytes, inputBytes] = [read("key.uncompressed.bin"), read("proof.uncompressed.bin"), read("inputs.bin")];
  for (const form of ["compressed", "uncompressed"]) {
    const report = await verifier.verifyGroth16(read(`key.${form}.bin`), read(`proof.${form}.bin`), inputBytes);
    assert.equal(report.verdict, "valid");
  }
  // The top two bits of a point's last byte are flags, see shared/src/groth16/arkworks.rs.
  const number = (/** @type {Buffer} */ bytes, /** @type {number} */ index) => {
    const hex = Buffer.from(bytes.subarray(32 * index, 32 * index + 32)).reverse().toString("hex");
    return (BigInt(`0x${hex}`) & ((1n << 254n) - 1n)).toString();
  };
  const g1 = (/** @type {Buffer} */ bytes, /** @type {number} */ at) => [number(bytes, at), number(bytes, at + 1), "1"];
  const g2 = (/** @type {Buffer} */ bytes, /** @type {number} */ at) => [
    [number(bytes, at), number(bytes, at + 1)],
    [number(bytes, at + 2), number(bytes, at + 3)],
    ["1", "0"],
  ];
  const ic = keyBytes.subarray(14 * 32 + 8);
  const publicSignals = [0, 1, 2].map((index) => number(inputBytes, index));
  const tool = { protocol: "groth16", curve: "bn128" };
  const key = {
    ...tool,
    nPublic: 3,
    vk_alpha_1: g1(keyBytes, 0),
    vk_beta_2: g2(keyBytes, 2),
    vk_gamma_2: g2(keyBytes, 6),
    vk_delta_2: g2(keyBytes, 10),
    IC: [0, 2, 4, 6].map((at) => g1(ic, at)),
  };
  const proof = { ...tool, pi_a: g1(proofBytes, 0), pi_b: g2(proofBytes, 2), pi_c: g1(proofBytes, 6) };
  assert.equal(await snarkjs.groth16.verify(key, publicSignals, proof), true);
  assert.equal(await snarkjs.groth16.verify(key, publicSignals.with(0, "5"), proof), false);
  assert.equal((await verifier.verifyGroth16(key, proof, publicSignals)).verdict, "valid");
});

test("a compliance proof of federated training verifies here and in snarkjs, and for no other context", async () => {
  const read = (/** @type {string} */ name) => {
    const url = new URL(`../../tests/vectors/groth16/compliance/${name}.json`, import.meta.url);
    return /** @type {unknown} */ (JSON.parse(readFileSync(url, "utf8")));
  };
  const key = /** @type {typeof sample.key} */ (read("verification_key"));
  const proof = /** @type {typeof sample.proof} */ (read("proof"));
  const inputs = /** @type {string[]} */ (read("public"));
  assert.equal(await snarkjs.groth16.verify(key, inputs, proof), true);
  const report = await verifier.verifyGroth16(key, proof, inputs);
  assert.equal(report.verdict, "valid", JSON.stringify(report.checks));
  for (const index of inputs.keys()) {
    const other = inputs.with(index, (BigInt(inputs[index] ?? 0) + 1n).toString());
    assert.equal(await snarkjs.groth16.verify(key, other, proof), false);
    assert.equal((await verifier.verifyGroth16(key, proof, other)).verdict, "invalid");
  }
});
