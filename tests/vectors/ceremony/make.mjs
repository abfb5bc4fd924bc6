/**
 * Makes the evidence of this folder anew: `node tests/vectors/ceremony/make.mjs` in the repository's root, after
 * `npm ci` in web/ and `cargo build --workspace --bin clearproof`. Powers of tau by two persons, and a model whose KZG keys
 * are made on them; the powers themselves are not kept.
 */

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const HERE = fileURLToPath(new URL("./", import.meta.url));
const COMMAND = process.env.CLEARPROOF ?? join(ROOT, "target/debug/clearproof");
const POWER = 12;
const { curves, powersOfTau } = createRequire(join(ROOT, "web/package.json"))("snarkjs");

const work = mkdtempSync(join(tmpdir(), "clearproof-ceremony-"));
const run = (...args) => execFileSync(COMMAND, args, { stdio: ["ignore", "pipe", "inherit"] });
try {
  // 1. Two persons, one after the other; each forgets what it drew.
  const curve = await curves.getCurveFromName("bn128");
  const file = (name) => join(work, `${name}.ptau`);
  await powersOfTau.newAccumulator(curve, POWER, file("0"));
  await powersOfTau.contribute(file("0"), file("1"), "Alice, Firm A", randomBytes(64).toString("hex"));
  await powersOfTau.contribute(file("1"), file("2"), "Bob, Firm B", randomBytes(64).toString("hex"));
  await curve.terminate();
  // 2. Keys on their powers, and decisions.
  run("compile", join(ROOT, "tests/models/compliance.onnx"), "--scheme", "kzg", "--srs", file("2"), "--batch", "4", "--out", join(work, "model"));
  const trades = readFileSync(join(ROOT, "tests/data/trades.csv"), "utf8").split("\n").slice(0, 5);
  writeFileSync(join(work, "trades.csv"), `${trades.join("\n")}\n`);
  run("prove", join(work, "model"), "--input", join(work, "trades.csv"), "--columns", "size,leverage,price,volume,position_pct", "--out", join(HERE, "decisions.evidence"));
  copyFileSync(join(work, "model", "verifier.bin"), join(HERE, "verifier.bin"));
} finally {
  rmSync(work, { recursive: true, force: true });
}
