/**
 * Times of verification in a real Chromium: `npm run bench -- FILE.evidence...`, each with the
 * FILE.verifier.bin beside it; without files, the golden ones of tests/vectors.
 *
 * - load: from the navigation to a page that takes files (a fresh profile, nothing cached);
 * - first: the worker's time for the first file that this page verifies, its model seen for the first time;
 * - warm: the worker's time for a file once its model has been checked (median and best of RUNS).
 */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { startPortal } from "../test/browser.mjs";
import { loadVectors } from "../test/vectors.mjs";

const COLD_RUNS = 7;
const RUNS = 41;

/** @param {string} path */
function read(path) {
  return { name: basename(path), bytes: readFileSync(path) };
}

const given = process.argv.slice(2);
const cases =
  given.length === 0
    ? loadVectors()
    : given.map((path) => {
        const stem = path.replace(/\.evidence$/, "");
        return { name: basename(stem), evidence: read(path), trust: read(`${stem}.verifier.bin`) };
      });

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** @param {import("../test/browser.mjs").Auditor} auditor */
async function workerMilliseconds(auditor) {
  return auditor.page.evaluate(() => Number(document.querySelector("[data-milliseconds]")?.getAttribute("data-milliseconds")));
}

const portal = await startPortal();
console.log("| evidence | bytes | load ms | first ms | warm ms | best ms |\n| --- | --- | --- | --- | --- | --- |");
try {
  for (const { name, evidence, trust } of cases) {
    /** @type {number[]} */
    const load = [];
    /** @type {number[]} */
    const first = [];
    for (let run = 0; run < COLD_RUNS; run += 1) {
      const begin = performance.now();
      const auditor = await portal.auditor();
      load.push(performance.now() - begin);
      await auditor.check(evidence);
      first.push(await workerMilliseconds(auditor));
      await auditor.leave();
    }
    const auditor = await portal.auditor();
    await auditor.pin(trust);
    await auditor.allowDevelopmentSetups(true);
    /** @type {number[]} */
    const warm = [];
    for (let run = 0; run < RUNS + 3; run += 1) {
      const report = await auditor.check(evidence);
      if (report.verdict !== "valid") {
        throw new Error(`${name}: ${report.sentence}`);
      }
      if (run >= 3) {
        warm.push(await workerMilliseconds(auditor));
      }
    }
    await auditor.leave();
    const figures = [median(load), median(first), median(warm), Math.min(...warm)].map((ms) => ms.toFixed(1));
    console.log(`| ${[name, evidence.bytes.length.toLocaleString("en"), ...figures].join(" | ")} |`);
  }
} finally {
  await portal.stop();
}
