/** The portal's reading of a log's tiles: what it makes of them, the verifier accepts, and of nothing else. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createVerifier } from "@clearproof/verifier";
import { build } from "esbuild";
import { logEntries, logSigner, tiledLog } from "./log-file.mjs";

const SOURCE = fileURLToPath(new URL("../portal/src/state/tiles.ts", import.meta.url));
const signer = logSigner("tiles.example/log");
const log = tiledLog(signer, logEntries(66_100, { name: "m", by: "b", note: "" }));

/** @type {typeof import("../portal/src/state/tiles.ts")} */
let room;
let folder = "";
/** @type {import("@clearproof/verifier").Verifier} */
let verifier;
before(async () => {
  const built = await build({ entryPoints: [SOURCE], bundle: true, format: "esm", target: "es2022", write: false });
  folder = mkdtempSync(join(tmpdir(), "clearproof-tiles-"));
  const path = join(folder, "tiles.mjs");
  writeFileSync(path, built.outputFiles[0]?.contents ?? "");
  /** @type {unknown} */
  const imported = await import(pathToFileURL(path).href);
  room = /** @type {typeof import("../portal/src/state/tiles.ts")} */ (imported);
  verifier = await createVerifier({ trust: [], logKeys: [signer.verifierKey] });
});
after(() => {
  verifier.close();
  rmSync(folder, { recursive: true });
});

/** @typedef {(path: string, bytes: Buffer) => Buffer} Change */

/** A reader of the tree of a size. @param {number} size @param {Change} [change] */
function reader(size, change = (_, bytes) => bytes) {
  /** @type {string[]} */
  const asked = [];
  const tiles = new room.Tiles((path, mostBytes) => {
    asked.push(path);
    const bytes = log.tile(path, size);
    assert.ok(bytes !== undefined && bytes.length <= mostBytes, path);
    return Promise.resolve(change(path, Buffer.from(bytes)));
  });
  return { tiles, asked };
}

/** Outcomes by the names of checks. @param {Uint8Array} bytes */
async function outcomes(bytes) {
  const { checks } = await verifier.verify(bytes);
  return Object.fromEntries(checks.map(({ name, result }) => [name, result]));
}

const HOLDS = { "log.checkpoint": "passed", "log.inclusion": "passed", "log.window": "passed", "log.lifecycle": "passed", "log.consistency": "passed" };

describe("windows of trees of every shape", () => {
  for (const [size, from, old] of /** @type {const} */ ([
    [1, 0, 1], [2, 0, 1], [3, 1, 2], [255, 250, 100], [256, 0, 255], [257, 256, 256], [600, 300, 599], [700, 0, 3],
    [65_536, 65_530, 256], [65_537, 65_536, 65_536], [66_102, 65_900, 65_001],
  ])) {
    test(`${size.toString()} entries, shown from ${from.toString()}, grown from ${old.toString()}`, async () => {
      const { tiles, asked } = reader(size);
      const bytes = await tiles.window(log.checkpoint(size), from, old < size ? log.checkpoint(old) : undefined);
      const found = await outcomes(bytes);
      const wanted = old < size ? HOLDS : { ...HOLDS, "log.consistency": undefined };
      for (const [name, result] of Object.entries(wanted)) {
        assert.equal(found[name], result, name);
      }
      assert.equal(new Set(asked).size, asked.length, "no tile is fetched twice");
      assert.ok(asked.length < 14, asked.join());
    });
  }
});

test("of a log that grew, only what is new is fetched", async () => {
  const { tiles } = reader(1000);
  await tiles.window(log.checkpoint(1000), 0, undefined);
  const before = tiles.fetched;
  await tiles.window(log.checkpoint(1000), 100, log.checkpoint(768));
  const hashes = tiles.fetched - before;
  await tiles.window(log.checkpoint(1000), 100, log.checkpoint(768));
  assert.equal(tiles.fetched - before, hashes);
  assert.ok(hashes <= 4, hashes.toString());
});

for (const [what, change, failed] of /** @type {[string, Change, string][]} */ ([
  ["a changed entry", (path, bytes) => (path.startsWith("tile/entries/") ? flipped(bytes, bytes.length - 40) : bytes), "log.inclusion"],
  ["a changed hash of a leaf", (path, bytes) => (path === "tile/0/000" ? flipped(bytes, 100) : bytes), "log.inclusion"],
  ["a changed hash of 256 leaves", (path, bytes) => (path.startsWith("tile/1/") ? flipped(bytes, 40) : bytes), "log.inclusion"],
])) {
  test(`${what} is found`, async () => {
    const { tiles } = reader(1000, change);
    const found = await outcomes(await tiles.window(log.checkpoint(1000), 900, undefined));
    assert.equal(found[failed], "failed", JSON.stringify(found));
  });
}

test("a history that was rewritten is found", async () => {
  const { tiles } = reader(1000);
  const other = tiledLog(signer, logEntries(600, { name: "another", by: "b", note: "" }));
  const found = await outcomes(await tiles.window(log.checkpoint(1000), 0, other.checkpoint(500)));
  assert.deepEqual([found["log.inclusion"], found["log.consistency"]], ["passed", "failed"]);
});

test("tiles that are too short, and checkpoints without a tree, are refused in a sentence", async () => {
  const short = reader(1000, (path, bytes) => (path.startsWith("tile/entries/") ? bytes.subarray(0, 500) : bytes));
  await assert.rejects(short.tiles.window(log.checkpoint(1000), 900, undefined), /ends too early/);
  const few = reader(1000, (path, bytes) => (path.startsWith("tile/entries/") ? bytes : bytes.subarray(32)));
  await assert.rejects(few.tiles.window(log.checkpoint(1000), 900, undefined), /has not \d+ hashes/);
  for (const note of ["", "x\n", "x\n-1\n", "x\n99999999999999999\n", "x\n01\n"]) {
    assert.equal(room.headOf(Buffer.from(note)), undefined, note);
    await assert.rejects(few.tiles.window(Buffer.from(note), 0, undefined), /names no tree/);
  }
});

/** @param {Buffer} bytes @param {number} at */
function flipped(bytes, at) {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}
