/**
 * What a program does with the package, wherever it runs: in Node, Deno, a page or a worker. Throws on the first
 * answer that is not the right one, and returns what was answered.
 */

/**
 * @typedef {object} Vector
 * @property {string} name
 * @property {Uint8Array} evidence
 * @property {Uint8Array} trust
 *
 * @typedef {object} Groth16Vector
 * @property {Uint8Array} key
 * @property {Uint8Array} proof
 * @property {Uint8Array} inputs
 */

/** @param {boolean} holds @param {string} what @returns {asserts holds} */
function must(holds, what) {
  if (!holds) {
    throw new Error(what);
  }
}

/**
 * @param {typeof import("@clearproof/verifier")} entry
 * @param {readonly Vector[]} vectors
 * @param {Groth16Vector} groth16
 * @param {object} [more] further options
 * @returns {Promise<string[]>}
 */
export async function story(entry, vectors, groth16, more = {}) {
  const { createVerifier, verifyGroth16, VerificationError } = entry;
  const told = [];
  for (const { name, evidence, trust } of vectors) {
    const verifier = await createVerifier({ trust: [trust], allowInsecureDevSrs: true, ...more });
    const report = await verifier.verify(evidence, { name });
    must(report.verdict === "valid" && report.file === name, `${name} is ${report.verdict}`);
    must(report.records.length > 0 && report.notChecked.length > 0, `${name} shows no records`);
    must(report.checks.every((check) => check.offline), `${name}: a check`);
    // The same bytes from a file and from a stream, in pieces of any size.
    /** @type {number[]} */
    const read = [];
    const onProgress = (/** @type {{ bytesRead: number }} */ { bytesRead }) => read.push(bytesRead);
    for (const source of [new Blob([new Uint8Array(evidence)]), streamed(evidence, 100)]) {
      const again = await verifier.verify(source, { onProgress });
      must(again.verdict === "valid", `${name}, streamed, is ${again.verdict}`);
    }
    must(read.length > 10 && read.at(-1) === evidence.length, "progress is told");
    // One bad file among good ones is found, and its name kept.
    const bad = new Uint8Array(evidence);
    bad.set([(bad.at(-100) ?? 0) ^ 1], bad.length - 100);
    const files = Array.from({ length: 9 }, (_, index) => ({
      name: index.toString(),
      bytes: index === 5 ? bad : evidence,
    }));
    const reports = await verifier.verifyAll(files);
    const verdicts = reports.map((one) => `${one.file} ${one.verdict}`).join();
    must(verdicts === files.map(({ name: n }) => `${n} ${n === "5" ? "invalid" : "valid"}`).join(), verdicts);
    must((await verifier.describeTrust(trust)).kind === "bundle", "the pin is a bundle");
    must((await verifier.describeTrust(evidence)).kind === "rejected", "evidence is no bundle");
    const aborted = await verifier.verify(evidence, { signal: AbortSignal.abort() }).catch((/** @type {unknown} */ error) => error);
    must(aborted instanceof VerificationError && aborted.code === "aborted", "an aborted one has no report");
    must((await verifier.verify(evidence)).verdict === "valid", "and the next one has");
    verifier.close();
    const closed = await verifier.verify(evidence).catch((/** @type {unknown} */ error) => error);
    must(closed instanceof VerificationError && closed.code === "closed", "a closed verifier has no reports");
    const trusting = await createVerifier({ trust: [], ...more });
    const untrusted = await trusting.verify(evidence);
    must(untrusted.verdict !== "valid", `${name} without a pin is ${untrusted.verdict}`);
    trusting.close();
    told.push(`${name} ${report.verdict}`);
  }
  const refused = await createVerifier({ trust: [new Uint8Array(9)], ...more }).catch((/** @type {unknown} */ error) => error);
  must(refused instanceof VerificationError && refused.code === "bad-trust", "rubbish cannot be pinned");
  const keys = await createVerifier({ trust: [], logKeys: ["no key"], ...more }).catch((/** @type {unknown} */ error) => error);
  must(keys instanceof VerificationError && keys.code === "bad-log-key", "nor as a log's key");
  const { key, proof, inputs } = groth16;
  const report = await verifyGroth16(key, proof, inputs);
  must(report.verdict === "valid" && report.checks.length === 4, "the Groth16 proof holds");
  const other = new Uint8Array(inputs);
  other.set([(other[0] ?? 0) ^ 1]);
  must((await verifyGroth16(key, proof, other)).verdict === "invalid", "and not for other inputs");
  told.push(`groth16 ${report.verdict}`);
  return told;
}

/** @param {Uint8Array} bytes @param {number} size @returns {ReadableStream<Uint8Array>} */
function streamed(bytes, size) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) {
        controller.close();
        return;
      }
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}
