/**
 * What a program does with the module for training certificates, wherever it runs. Throws on the first answer that is not
 * the right one, and returns what was answered.
 */

/**
 * @typedef {object} TrainingVector
 * @property {string} name
 * @property {Uint8Array} certificate
 * @property {string} roster the text of roster.json
 * @property {Uint8Array | null} decisions
 */

/** @param {boolean} holds @param {string} what @returns {asserts holds} */
function must(holds, what) {
  if (!holds) {
    throw new Error(what);
  }
}

/**
 * @param {typeof import("@clearproof/verifier/training")} training loaded
 * @param {readonly TrainingVector[]} vectors
 * @returns {string[]}
 */
export function trainingStory({ Files, Verifier, describeTrainingCertificate, rosterDigest }, vectors) {
  /** @param {Uint8Array} certificate @param {string | undefined} roster @param {Uint8Array | null} decisions */
  const judge = (certificate, roster, decisions, development = true) => {
    const [verifier, files] = [new Verifier(), new Files()];
    if (development) {
      verifier.allowInsecureDevSrs();
    }
    if (decisions !== null) {
      must(files.begin("decisions", decisions.length) && files.append(decisions), "there is room for the decisions");
    }
    const report = verifier.verifyTrainingCertificate(certificate, roster, files);
    verifier.free();
    files.free();
    return report;
  };
  return vectors.map(({ name, certificate, roster, decisions }) => {
    /** @type {unknown} */
    const parsed = JSON.parse(roster);
    const { parties } = /** @type {{ parties: { name: string, signing_key: string, sealing_key: string }[] }} */ (parsed);
    const hex = parties.map((party) => party.signing_key + party.sealing_key).join("");
    const digest = rosterDigest(parties.map((party) => party.name), Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
    must(digest !== undefined && describeTrainingCertificate(certificate)?.roster === digest, `${name} is of another roster`);
    const report = judge(certificate, digest, decisions);
    must(report.verdict === "valid", `${name} is ${report.verdict}: ${JSON.stringify(report.checks)}`);
    must(report.parties.length === parties.length && report.notChecked.length > 0, `${name} shows no parties`);
    must(report.checks.every((check) => check.offline && check.milliseconds >= 0), `${name}: a check`);
    must(report.checks.some((check) => check.name === "evidence.model") === (decisions !== null), `${name}: its decisions`);
    must(judge(certificate, undefined, null).verdict === "unknown", `${name} without its roster`);
    must(judge(certificate, "00".repeat(32), null).verdict === "invalid", `${name} with another roster`);
    must(report.compliance.length === 0 || judge(certificate, digest, null, false).verdict === "invalid", `${name}: one person's key`);
    const bad = new Uint8Array(certificate);
    bad.set([(bad.at(-100) ?? 0) ^ 1], bad.length - 100);
    must(judge(bad, digest, null).verdict === "invalid", `${name} with a bit changed`);
    must(describeTrainingCertificate(certificate.subarray(1)) === null, `${name}, cut`);
    return `${name} ${report.verdict}`;
  });
}
