/** The verifier in this thread: no bytes make it throw, and no damaged evidence is valid. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { VerificationError, createVerifier } from "@clearproof/verifier";
import { desk, sha256 } from "./desk.mjs";
import { flip, loadVectors } from "./vectors.mjs";

test("random bytes are invalid, and never an exception", async () => {
  const verifier = await createVerifier({ trust: [] });
  for (const length of [0, 1, 31, 1000, 100_000]) {
    const bytes = randomBytes(length);
    assert.equal((await verifier.verify(bytes)).verdict, "invalid");
    assert.equal((await verifier.describeTrust(bytes)).kind, "rejected");
    const report = await verifier.verifyGroth16(bytes, bytes, bytes);
    assert.equal(report.verdict, "invalid");
  }
});

test("no files, no reports", async () => {
  const verifier = await createVerifier({ trust: [] });
  assert.deepEqual(await verifier.verifyAll([]), []);
});

/** @param {string} code @param {Promise<unknown>} refused */
async function refusedWith(code, refused) {
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof VerificationError, String(error));
    assert.equal(error.code, code);
    assert.match(error.detail, /\S/);
    return true;
  });
}

test("what is no evidence's fault is an error with a code", async () => {
  const make = (/** @type {unknown} */ options) =>
    createVerifier(/** @type {import("@clearproof/verifier").VerifierOptions} */ (options));
  await refusedWith("bad-option", make({}));
  await refusedWith("bad-option", make({ trust: "file" }));
  await refusedWith("bad-option", make({ trust: [], logKeys: "key" }));
  await refusedWith("bad-option", make({ trust: [], workers: 1.5 }));
  await refusedWith("bad-option", make({ trust: [], maxBytes: 0 }));
  await refusedWith("bad-trust", make({ trust: [new Uint8Array()] }));
  await refusedWith("bad-log-key", make({ trust: [], logKeys: ["log"] }));
  await refusedWith("bad-witness-key", make({ trust: [], witnessKeys: ["witness"] }));
  await refusedWith("wasm-unavailable", make({ trust: [], wasm: new Uint8Array(8) }));
  const verifier = await createVerifier({ trust: [], maxBytes: 1000 });
  await refusedWith("too-large", verifier.verify(new Uint8Array(1001)));
  const endless = () => new ReadableStream({ pull: (controller) => { controller.enqueue(new Uint8Array(100)); } });
  await refusedWith("too-large", verifier.verify(endless()));
  const broken = new ReadableStream({ pull: (controller) => { controller.error(new Error("the line is cut")); } });
  await refusedWith("unreadable", verifier.verify(broken));
  const text = new ReadableStream({ pull: (controller) => { controller.enqueue("text"); } });
  await refusedWith("unreadable", verifier.verify(text));
  await refusedWith("aborted", verifier.verify(endless(), { signal: AbortSignal.abort() }));
  const late = new AbortController();
  const stalled = new ReadableStream();
  setTimeout(() => { late.abort(); }, 20);
  await refusedWith("aborted", verifier.verify(stalled, { signal: late.signal }));
  // After all of these it still works.
  assert.equal((await verifier.verify(new Uint8Array(10))).verdict, "invalid");
});

for (const vector of loadVectors()) {
  describe(vector.name, () => {
    /** @type {import("@clearproof/verifier").Verifier} */
    let verifier;
    before(async () => {
      verifier = await createVerifier({ trust: [vector.trust.bytes], allowInsecureDevSrs: true });
    });
    after(() => {
      verifier.close();
    });

    test("a verifier remembers the model, and says so", async () => {
      const first = await verifier.verify(vector.evidence.bytes);
      const second = await verifier.verify(vector.evidence.bytes);
      const registration = (/** @type {typeof first} */ report) => report.checks.find((check) => check.name === "registration");
      assert.deepEqual([first.verdict, second.verdict], ["valid", "valid"]);
      assert.doesNotMatch(registration(first)?.reason ?? "", /checked before/);
      assert.match(registration(second)?.reason ?? "", /checked before/);
      assert.deepEqual(second.records, first.records);
    });

    test("no single flipped bit leaves it valid", async () => {
      const size = vector.evidence.bytes.length;
      for (let step = 0; step < 40; step += 1) {
        const offset = Math.floor(((step + 0.5) * size) / 40);
        const report = await verifier.verify(flip(vector.evidence, offset).bytes);
        assert.notEqual(report.verdict, "valid", `bit 0 of byte ${offset.toString()}`);
        assert.ok(report.checks.some((check) => check.result !== "passed" && check.reason !== ""));
      }
    });

    test("cut short, or with a byte behind, it is invalid", async () => {
      const { bytes } = vector.evidence;
      for (const damaged of [bytes.subarray(0, -1), bytes.subarray(0, bytes.length / 2), Buffer.concat([bytes, Buffer.of(0)])]) {
        assert.equal((await verifier.verify(damaged)).verdict, "invalid");
      }
    });
  });
}

test("a log's records name their model, what was in force, and the growth that the file shows", async () => {
  const verifier = await createVerifier({
    trust: [desk.first.bytes, desk.second.bytes],
    logKeys: [desk.logKey.bytes.toString().trim()],
  });
  const before = await verifier.verify(desk.firstVisit.bytes);
  const report = await verifier.verify(desk.secondVisit.bytes);
  assert.equal(report.verdict, "valid", JSON.stringify(report.checks.filter(({ result }) => result !== "passed")));
  assert.ok(before.log !== null && report.log !== null);
  assert.equal(before.log.earlier, null);
  assert.deepEqual(report.log.earlier, { size: before.log.size, root: before.log.root });
  const [old, young] = [sha256(desk.first.bytes), sha256(desk.second.bytes)];
  for (const record of report.records) {
    const seq = Number(record.seq);
    assert.equal(record.bundle, seq < 42 ? old : young, `record ${seq.toString()}`);
    assert.equal(record.lifecycle, seq < 42 ? "1" : "43");
    assert.equal(record.compliant, record.decision === "approved");
    assert.equal(record.inputs !== null, seq === 7 || seq === 50);
  }
  const trust = await verifier.describeTrust(desk.second.bytes);
  assert.ok(trust.kind === "bundle" && trust.bundle.policy !== null);
  const changed = report.log.lifecycle.find(({ seq }) => seq === "43");
  assert.equal(trust.bundle.policy.digest, changed?.policy);
  assert.deepEqual(trust.bundle.policy.rules.map(([name]) => name), ["leverage", "listed", "model"]);
  assert.deepEqual(trust.bundle.released, ["decision"]);
});

test("a witness that was pinned is asked for", async () => {
  const judge = async (/** @type {Buffer} */ bytes, /** @type {string[]} */ witnessKeys) => {
    const verifier = await createVerifier({
      trust: [desk.first.bytes, desk.second.bytes],
      logKeys: [desk.logKey.bytes.toString().trim()],
      witnessKeys,
    });
    const { verdict, checks } = await verifier.verify(bytes);
    verifier.close();
    return [verdict, checks.find(({ name }) => name === "log.witnesses")?.result];
  };
  const witness = desk.witnessKey.bytes.toString().trim();
  assert.deepEqual(await judge(desk.witnessed.bytes, [witness]), ["valid", "passed"]);
  assert.deepEqual(await judge(desk.witnessed.bytes, []), ["valid", undefined]);
  assert.deepEqual(await judge(desk.secondVisit.bytes, [witness]), ["unknown", "unknown"]);
});

test("without the models nothing is said of a log's window, and nothing is held against it", async () => {
  const verifier = await createVerifier({ trust: [], logKeys: [desk.logKey.bytes.toString().trim()] });
  const { verdict, checks } = await verifier.verify(desk.secondVisit.bytes);
  assert.equal(verdict, "unknown");
  const results = Object.fromEntries(checks.map(({ name, result }) => [name, result]));
  for (const name of ["log.inclusion", "log.window", "log.proved", "log.lifecycle"]) {
    assert.equal(results[name], "unknown", name);
  }
  assert.equal(results["log.checkpoint"], "passed");
  assert.equal(results["log.consistency"], "passed");
});
