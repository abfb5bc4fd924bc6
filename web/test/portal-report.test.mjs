/** The report as a file of HTML: it opens offline, holds what was found out, and nothing that runs or is fetched. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { axe } from "./axe.mjs";
import { startPortal } from "./browser.mjs";
import { desk, sha256 } from "./desk.mjs";
import { logFile, logSigner } from "./log-file.mjs";
import { flip } from "./vectors.mjs";

const HOSTILE = `</style><script>globalThis.hacked=1</script><img src=x onerror="globalThis.hacked=1">&amp;'\u202e`;

/** @type {import("./browser.mjs").Portal} */
let portal;
let folder = "";
before(async () => {
  portal = await startPortal();
  folder = mkdtempSync(join(tmpdir(), "clearproof-report-"));
});
after(async () => {
  await portal.stop();
  rmSync(folder, { recursive: true });
});

/** @param {import("./browser.mjs").Auditor} auditor @param {string} button */
async function saved(auditor, button) {
  const [download] = await Promise.all([auditor.page.waitForEvent("download"), auditor.page.click(button)]);
  assert.match(download.suggestedFilename(), /\.html$/);
  const path = join(folder, `${Math.random().toString()}.html`);
  await download.saveAs(path);
  return path;
}

/**
 * Opens a report from the disk, without a network, and sees that it is alone there.
 * @param {string} path
 * @param {(page: import("playwright-core").Page, text: string) => Promise<void>} look
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function opened(path, look, options = {}) {
  const context = await portal.browser.newContext({ offline: true, viewport: { width: 1100, height: 900 }, ...options });
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const requests = [];
  context.on("console", (message) => complaints.push(message.text()));
  context.on("request", (request) => requests.push(request.url()));
  const page = await context.newPage();
  await page.goto(pathToFileURL(path).href);
  await look(page, ((await page.textContent("body")) ?? "").replace(/\s+/g, " "));
  assert.deepEqual(requests, [pathToFileURL(path).href]);
  assert.deepEqual(complaints, []);
  assert.equal(await page.locator("script, img, link, iframe, object, [onerror], [style]").count(), 0);
  await context.close();
}

test("the report of several files opens offline, names what it rests on, and axe-core finds nothing", async () => {
  const auditor = await portal.auditor();
  await auditor.pin(desk.first);
  await auditor.pin(desk.second);
  await auditor.pin(desk.logKey);
  const bad = flip(desk.firstVisit, 40_000);
  await auditor.check(desk.secondVisit, bad, { name: "cat.png", bytes: Buffer.from("cat") });
  await auditor.go("#/verify-all");
  await auditor.page.click("#again-all");
  await auditor.page.waitForSelector("#again-result");
  const wasm = (await auditor.page.locator("footer code.digest").getAttribute("title")) ?? "";
  assert.match(wasm, /^[0-9a-f]{64}$/);
  const path = await saved(auditor, "#save-html");
  assert.deepEqual(auditor.misbehaviour(), { foreignRequests: [], complaints: [] });
  await auditor.leave();
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(readFileSync(path, "utf8"))?.[1]?.replaceAll("&#39;", "'") ?? "";
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'; form-action 'none'$/);
  for (const [colorScheme, width] of /** @type {const} */ ([["light", 1100], ["dark", 320]])) {
    await opened(path, async (page, text) => {
      for (const told of [
        wasm, sha256(desk.first.bytes), sha256(desk.second.bytes), desk.logKey.bytes.toString().trim(), sha256(desk.secondVisit.bytes), sha256(bad.bytes),
        "Valid", "Invalid", "Not checked", "Append-only since your last visit", "log.inclusion", "Coverage by proofs", "100.0 %", "Verify again", "No verdict says that the model is good",
      ]) {
        assert.ok(text.includes(told), `${told} in ${text.slice(0, 500)}`);
      }
      // The style is in force, whatever the policy forbids.
      assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).maxWidth), "none");
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)) <= 0, "wider than the window");
      await page.screenshot({ path: fileURLToPath(new URL(`../screenshots/saved-report-${colorScheme}-${width.toString()}.png`, import.meta.url)) });
      await axe(page, "a saved report");
    }, { colorScheme, viewport: { width, height: 1400 } });
    await opened(path, async (page) => { assert.equal(await page.locator("h1").count(), 1); }, { javaScriptEnabled: false });
  }
});

test("script and markup in names and texts stay text", async () => {
  const auditor = await portal.auditor();
  const signer = logSigner("hostile.example/log");
  await auditor.pin({ name: "key", bytes: Buffer.from(signer.verifierKey) });
  await auditor.check({ name: HOSTILE.replaceAll("/", "∕"), bytes: logFile(signer, 5, { name: HOSTILE, by: HOSTILE, note: HOSTILE }) });
  const path = await saved(auditor, "#save-page");
  await auditor.leave();
  await opened(path, async (page, text) => {
    assert.ok(text.includes(HOSTILE.replaceAll("/", "∕")), text.slice(0, 800));
    assert.equal(await page.evaluate(() => Reflect.has(globalThis, "hacked")), false);
  });
});

test("in another language nothing of the report is English", async () => {
  const auditor = await portal.auditor("?lang=ar-XB");
  await auditor.check(desk.firstVisit);
  const path = await saved(auditor, "#save-page");
  await auditor.leave();
  await opened(path, async (page) => {
    assert.equal(await page.evaluate(() => document.documentElement.dir), "rtl");
    const texts = await page.locator("h1, h3, th, dt, .outcome").allTextContents();
    assert.deepEqual(texts.filter((text) => !text.startsWith("⟦") && text !== "SHA-256"), []);
  });
});
