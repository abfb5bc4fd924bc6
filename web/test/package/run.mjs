/** `run.mjs ENTRY FOLDER`: the story in this process, with the vectors in a folder. */

import { readFileSync, readdirSync } from "node:fs";
import process from "node:process";
import { story } from "./story.mjs";

const [entry, folder] = process.argv.slice(2);
if (entry === undefined || folder === undefined) {
  throw new Error("usage: run.mjs ENTRY FOLDER");
}
const read = (/** @type {string} */ path) => new Uint8Array(readFileSync(`${folder}/${path}`));
const vectors = readdirSync(folder)
  .filter((name) => name.endsWith(".evidence"))
  .map((file) => file.slice(0, -".evidence".length))
  .map((name) => ({ name, evidence: read(`${name}.evidence`), trust: read(`${name}.verifier.bin`) }));
const groth16 = {
  key: read("groth16/key.compressed.bin"),
  proof: read("groth16/proof.compressed.bin"),
  inputs: read("groth16/inputs.bin"),
};
/** @type {unknown} */
const imported = await import(entry);
const verifier = /** @type {typeof import("@clearproof/verifier")} */ (imported);
console.log((await story(verifier, vectors, groth16)).join("\n"));
// In Node the workers of a pool without work keep no process alive: there is no exit here.
