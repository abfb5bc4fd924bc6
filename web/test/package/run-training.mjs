/** `run-training.mjs FOLDER`: the story of training certificates in this process, with the vectors in a folder. */

import { readFileSync } from "node:fs";
import process from "node:process";
import * as training from "@clearproof/verifier/training";
import { trainingStory } from "./training-story.mjs";

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  throw new Error("usage: run-training.mjs FOLDER");
}
const read = (/** @type {string} */ path) => new Uint8Array(readFileSync(`${folder}/${path}`));
const text = (/** @type {string} */ path) => readFileSync(`${folder}/${path}`, "utf8");

await training.load();
console.log(trainingStory(training, [
  { name: "summed", certificate: read("certificate.bin"), roster: text("roster.json"), decisions: null },
  { name: "deployed", certificate: read("deployed/certificate.bin"), roster: text("deployed/roster.json"), decisions: read("deployed/decisions.evidence") },
]).join("\n"));
