/** Files in the wrong place: what is known and no evidence is told to be what it is, and no verdict speaks of it. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startPortal } from "./browser.mjs";
import { desk } from "./desk.mjs";
import { deployed, digestOfRoster } from "./training-files.mjs";

/** @type {import("./browser.mjs").Portal} */
let portal;
before(async () => {
  portal = await startPortal();
});
after(async () => {
  await portal.stop();
});

/** @typedef {import("./browser.mjs").Auditor} Auditor */
/** @typedef {import("./browser.mjs").DroppedFile} DroppedFile */

/** @type {import("./browser.mjs").Portal["asAuditor"]} */
const asAuditor = (story, path) => portal.asAuditor(story, path);

/** @param {Auditor} auditor @returns {Promise<(string | null)[]>} */
function others(auditor) {
  return auditor.page.evaluate(() => [...document.querySelectorAll("[data-other]")].map((item) => item.getAttribute("data-other")));
}

test("a folder with all that belongs to a training: what can be pinned is offered, and changes the verdict only then", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    await auditor.allowDevelopmentSetups(true);
    await auditor.give(deployed.certificate, deployed.roster, deployed.decisions, deployed.trust);
    assert.deepEqual(await others(auditor), ["roster", "bundle"]);
    assert.equal((await auditor.report()).verdict, "unknown");
    await page.waitForSelector('[data-training="unknown"]');
    assert.equal(await page.locator('[data-verdict="invalid"], [data-training="invalid"]').count(), 0);
    // Its fingerprint is there to compare.
    const shown = (await page.textContent('[data-other="roster"] .digest')) ?? "";
    assert.equal(shown.replaceAll(/\s/g, ""), digestOfRoster(deployed.roster.bytes));
    await page.click('[data-other="roster"] button:not(.copy)');
    await page.waitForSelector('[data-training="valid"]');
    assert.equal(await page.getAttribute("[data-roster]", "data-roster"), digestOfRoster(deployed.roster.bytes));
    await page.click('[data-other="bundle"] button:not(.copy)');
    await page.waitForSelector('[data-verdict="valid"]');
    await page.locator("#others .tag.proved").nth(1).waitFor();
    assert.equal(await page.locator("#others .pin-head button").count(), 0);
    // What is saved names every file that was given.
    await auditor.go("#/verify-all");
    const saved = async (/** @type {string} */ button) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
      return readFileSync(await download.path(), "utf8");
    };
    /** @type {unknown} */
    const parsed = JSON.parse(await saved("#save-all"));
    assert.deepEqual(/** @type {{ notJudged: unknown }} */ (parsed).notJudged, [{ file: deployed.roster.name, kind: "roster" }, { file: deployed.trust.name, kind: "bundle" }]);
    assert.match(await saved("#save-html"), new RegExp(`2 files that are no evidence.*${deployed.roster.name}.*The roster of a training`, "s"));
  }));

test("trust files alone give no verdict", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    await auditor.give(desk.first, desk.second, desk.logKey, deployed.roster);
    assert.deepEqual(await others(auditor), ["bundle", "bundle", "keys", "roster"]);
    assert.equal(await page.locator("[data-verdict], [data-training], .chip").count(), 0);
    for (let left = 4; left > 0; left -= 1) {
      assert.equal(await page.locator("#others .pin-head button").count(), left);
      await page.locator("#others .pin-head button").first().click();
      await page.waitForFunction((n) => document.querySelectorAll("#others .pin-head button").length < n, left);
    }
    assert.equal(await page.locator("#trust-list > li").count(), 4);
    assert.equal((await auditor.check(desk.secondVisit)).verdict, "valid");
    assert.deepEqual(await others(auditor), []);
  }));

test("a damaged verifier.bin cannot be pinned, and the page says why", () =>
  asAuditor(async (auditor) => {
    await auditor.give({ name: "verifier.bin", bytes: desk.first.bytes.subarray(0, 3000) });
    assert.deepEqual(await others(auditor), ["bundle"]);
    assert.match((await auditor.page.textContent("[data-other]")) ?? "", /It cannot be pinned: \S/);
    assert.equal(await auditor.page.locator("[data-other] button").count(), 0);
  }));

test("saved reports, tables and checkpoints are told to be what they are", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    await auditor.pin(desk.first);
    await auditor.check(desk.firstVisit);
    const saved = async (/** @type {string} */ name, /** @type {string} */ button) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
      return { name, bytes: readFileSync(await download.path()) };
    };
    const files = [await saved("report.json", "#save-json"), await saved("report.html", "#save-page")];
    await auditor.go("#/records");
    files.push(await saved("records.csv", "#save-csv"));
    await auditor.go("#/verify-all");
    files.push(await saved("all.json", "#save-all"), await saved("all.html", "#save-html"));
    const evidence = desk.firstVisit.bytes.toString("latin1");
    const note = /desk\.example\/log\n\d+\n.{44}\n\n.{1,3} desk\.example\/log .*\n/.exec(evidence);
    assert.ok(note !== null);
    files.push({ name: "checkpoint", bytes: Buffer.from(note[0], "latin1") });
    files.push({ name: "cli.json", bytes: Buffer.from('{\n  "reports": [\n    {\n      "checks": []\n    }\n  ]\n}\n') });
    await auditor.go("#/report");
    await auditor.give(...files, desk.secondVisit);
    assert.deepEqual(await others(auditor), ["report", "report", "records", "report", "report", "checkpoint", "report"]);
    assert.equal((await auditor.report()).verdict, "unknown");
    assert.equal(await page.locator('[data-verdict="invalid"]').count(), 0);
  }));

test("evidence and certificates that are given to be pinned go where they belong", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    await auditor.allowDevelopmentSetups(true);
    await auditor.pin(desk.firstVisit);
    assert.match((await page.textContent("#trust-problem")) ?? "", /was not pinned: it is evidence/);
    await page.click("#judge-strays");
    assert.equal((await auditor.report()).verdict, "unknown");
    assert.equal(await page.locator("#judge-strays, #trust-problem").count(), 0);
    await page.setInputFiles("#trust-input", [deployed.roster, deployed.certificate].map(({ name, bytes }) => ({ name, mimeType: "", buffer: bytes })));
    await page.waitForSelector("#judge-strays");
    assert.equal(await page.locator("[data-roster]").count(), 1);
    await page.click("#judge-strays");
    await page.waitForSelector('[data-training="valid"]');
    // The evidence is still there.
    assert.equal(await page.locator("[data-verdict]").count(), 1);
  }));

for (const [what, text] of /** @type {const} */ ([
  ["JSON", '{"approve": "everything"}'],
  ["a page of somebody's", "<!doctype html><title>approved</title>"],
  ["half a key", "desk.example+1a2b3c4d"],
])) {
  test(`${what} is no file of ours, and judged as evidence`, () =>
    asAuditor(async (auditor) => {
      assert.equal((await auditor.check({ name: "file", bytes: Buffer.from(text) })).verdict, "invalid");
      assert.deepEqual(await others(auditor), []);
    }));
}
