/**
 * Times of the package in a real Chromium, workers warm: `npm run bench` prints them.
 *
 * - one: a file under a model that was checked before (median and best of RUNS);
 * - 1,000 files: single proofs of one circuit, checked by `verifyAll` on two workers, the models checked before;
 * - a batch of decisions in one proof;
 * - the processor time of all the page's threads for the thousand, which others on the machine disturb less.
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { ARGUMENTS, chromiumPath } from "../test/browser.mjs";
import { loadVectors } from "../test/vectors.mjs";

const RUNS = 41;
const BATCH_RUNS = 5;

const given = process.argv.slice(2);
const cases =
  given.length === 0
    ? loadVectors().map(({ name, evidence, trust }) => ({ name, evidence: evidence.bytes, trust: trust.bytes }))
    : given.map((path) => {
        const stem = path.replace(/\.evidence$/, "");
        return { name: basename(stem), evidence: readFileSync(path), trust: readFileSync(`${stem}.verifier.bin`) };
      });

const script = await build({
  stdin: {
    contents: 'export * from "@clearproof/verifier/inline";',
    resolveDir: fileURLToPath(new URL("..", import.meta.url)),
  },
  bundle: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const files = new Map([["/", Buffer.from("<!doctype html><title>bench</title>")], ["/entry.js", Buffer.from(script.outputFiles[0]?.contents ?? [])]]);
const server = createServer((request, response) => {
  const type = request.url === "/entry.js" ? "text/javascript" : "text/html";
  response.writeHead(200, { "content-type": type }).end(files.get(request.url ?? "/"));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => { resolve(undefined); }));
const address = server.address();
const port = typeof address === "object" && address !== null ? address.port : 0;
const browser = await chromium.launch({ executablePath: chromiumPath(), args: ARGUMENTS });
const session = await browser.newBrowserCDPSession();
/** Seconds of processor time of the pages' processes so far. */
async function processorSeconds() {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}
console.log("| evidence | bytes | one: median ms | best ms | 1,000 files on 2 workers: median s | best s | CPU s |\n| --- | --- | --- | --- | --- | --- | --- |");
try {
  for (const { name, evidence, trust } of cases) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port.toString()}/`);
    /** @type {number[]} */
    const readings = [];
    await page.exposeFunction("readProcessor", async () => readings.push(await processorSeconds()));
    const times = await page.evaluate(
      async ({ evidenceBytes, trustBytes, runs, batchRuns }) => {
        const address = "/entry.js";
        /** @type {unknown} */
        const imported = await import(address);
        const entry = /** @type {typeof import("@clearproof/verifier")} */ (imported);
        const bytes = new Uint8Array(evidenceBytes);
        const verifier = await entry.createVerifier({
          trust: [new Uint8Array(trustBytes)],
          allowInsecureDevSrs: true,
          workers: 2,
        });
        /** @param {number} n @param {() => Promise<{ verdict: string }[]>} work */
        const measure = async (n, work) => {
          const times = [];
          for (let run = 0; run < n; run += 1) {
            const start = performance.now();
            const reports = await work();
            times.push(performance.now() - start);
            if (reports.some(({ verdict }) => verdict !== "valid")) {
              throw new Error("a file is not valid");
            }
          }
          times.sort((a, b) => a - b);
          return { median: times[times.length >> 1] ?? NaN, best: times[0] ?? NaN };
        };
        const many = Array.from({ length: 1000 }, (_, index) => ({ name: index.toString(), bytes }));
        await verifier.verifyAll(many.slice(0, 20));
        const one = await measure(runs, async () => [await verifier.verify(bytes)]);
        // Single proofs only: a file of many decisions is a batch of its own.
        const { readProcessor } = /** @type {{ readProcessor: () => Promise<unknown> }} */ (/** @type {unknown} */ (globalThis));
        await readProcessor();
        const thousand = evidenceBytes.length < 20_000 ? await measure(batchRuns, () => verifier.verifyAll(many)) : undefined;
        await readProcessor();
        verifier.close();
        return { one, thousand };
      },
      { evidenceBytes: [...evidence], trustBytes: [...trust], runs: RUNS, batchRuns: BATCH_RUNS },
    );
    await page.close();
    const ms = [times.one.median, times.one.best].map((time) => time.toFixed(1));
    const [start = NaN, end = NaN] = readings;
    const s = times.thousand
      ? [times.thousand.median / 1000, times.thousand.best / 1000, (end - start) / BATCH_RUNS].map((time) => time.toFixed(2))
      : ["-", "-", "-"];
    console.log(`| ${[name, evidence.length.toLocaleString("en"), ...ms, ...s].join(" | ")} |`);
  }
} finally {
  await browser.close();
  server.close();
}
