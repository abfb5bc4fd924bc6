/** Training certificates in the portal: alone, with decisions, with and without their roster, damaged and hostile. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { startPortal } from "./browser.mjs";
import { desk, sha256 } from "./desk.mjs";
import { agreed, deployed, digestOfRoster, summed } from "./training-files.mjs";
import { flip, loadVectors } from "./vectors.mjs";

const SCRIPT = `<img src=x onerror="globalThis.hacked=1">`;

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

/** Gives files to the page, and reads what its page of the certificate says. @param {Auditor} auditor @param {...DroppedFile} files */
async function give(auditor, ...files) {
  await auditor.go("#/report");
  await auditor.give(...files);
  return shown(auditor);
}

/** @param {Auditor} auditor */
async function shown(auditor) {
  await auditor.go("#/training");
  await auditor.page.waitForSelector("[data-training]");
  return auditor.page.evaluate(() => {
    const article = document.querySelector("[data-training]");
    return {
      verdict: article?.getAttribute("data-training") ?? "",
      sentence: article?.querySelector(".sentence")?.textContent.trim().replace(/\s+/g, " ") ?? "",
      text: article?.textContent ?? "",
      unchecked: document.querySelectorAll(".unchecked li").length,
      decisions: [...document.querySelectorAll("#training-decisions li")].map((item) => item.getAttribute("data-model")),
      checks: Object.fromEntries([...document.querySelectorAll("[data-check]")].map((item) => [item.getAttribute("data-check") ?? "", item.getAttribute("data-outcome") ?? ""])),
      costs: [...document.querySelectorAll("[data-check] .cost")].map((item) => item.textContent),
    };
  });
}

/** @param {Record<string, string>} checks */
function failures(checks) {
  return Object.entries(checks).filter(([, outcome]) => outcome === "failed").map(([name]) => name);
}

test("a certificate cannot be told without its roster, and is valid with it, on this visit and the next", () =>
  asAuditor(async (auditor) => {
    let report = await give(auditor, summed.certificate);
    assert.equal(report.verdict, "unknown", report.sentence);
    assert.deepEqual(failures(report.checks), []);
    assert.equal(report.checks["training.roster"], "unknown");
    assert.equal(await auditor.page.textContent("#roster-pinned"), "Not pinned");
    await auditor.pin(summed.roster);
    await auditor.page.waitForSelector('[data-training="valid"]');
    assert.equal(await auditor.page.getAttribute("[data-roster]", "data-roster"), digestOfRoster(summed.roster.bytes));
    await auditor.open();
    report = await give(auditor, summed.certificate);
    assert.equal(report.verdict, "valid", report.sentence);
    assert.match(report.sentence, /^Every check passed .* 2 rounds/);
    assert.ok(Object.values(report.checks).every((outcome) => outcome === "passed"));
    assert.ok(report.costs.every((cost) => /(ms|s).*offline/.test(cost)), report.costs.join());
    assert.ok(report.unchecked > 4);
    assert.ok(report.text.includes("party 3") && report.text.includes(sha256(summed.certificate.bytes).slice(0, 10)));
    assert.match((await auditor.page.textContent("#epsilon")) ?? "", /^ε \d\.\d+$/);
    await auditor.page.click(".pin-head button");
    await auditor.page.waitForSelector('[data-training="unknown"]');
  }));

test("the module for certificates is started by the first one only", () =>
  asAuditor(async (auditor) => {
    await auditor.check(desk.firstVisit);
    const before = auditor.page.workers().length;
    await give(auditor, summed.certificate);
    assert.equal(auditor.page.workers().length, before + 1);
    await give(auditor, summed.certificate, desk.firstVisit);
    assert.equal(auditor.page.workers().length, before + 1);
  }));

test("with another roster alone it is invalid, with both it is valid", () =>
  asAuditor(async (auditor) => {
    await auditor.pin(deployed.roster);
    assert.deepEqual(failures((await give(auditor, summed.certificate)).checks), ["training.roster"]);
    await auditor.pin(summed.roster);
    await auditor.page.waitForSelector('[data-training="valid"]');
  }));

test("decisions that were given with it are by its model, or said not to be", () =>
  asAuditor(async (auditor) => {
    await auditor.pin(deployed.roster);
    const other = loadVectors().find(({ name }) => name === "ipa-one")?.evidence;
    assert.ok(other);
    let report = await give(auditor, deployed.certificate, deployed.decisions, other, { name: "cat.png", bytes: Buffer.from("cat") });
    // One person made the constraint's key.
    assert.deepEqual(failures(report.checks), ["compliance.setup"]);
    await auditor.allowDevelopmentSetups(true);
    await auditor.page.waitForSelector('[data-training="valid"]');
    report = await shown(auditor);
    assert.deepEqual(report.decisions, ["same", "other", "none"]);
    assert.equal(report.checks["evidence.model"], "passed");
    assert.ok(report.text.includes("num_samples") && report.text.includes("Borealis Credit"));
    // The decisions themselves are judged against what was pinned, as ever.
    const commitment = (await auditor.page.textContent("#training-commitment")) ?? "";
    await auditor.go("#/report");
    await auditor.pin(deployed.trust);
    await auditor.page.waitForSelector('[data-file-verdict="valid"]');
    // And the model's page leads back to the certificate.
    await auditor.go("#/models");
    const model = auditor.page.locator(".model", { hasText: "line" });
    assert.ok(((await model.textContent()) ?? "").includes(commitment.trim()));
    await model.getByRole("link", { name: deployed.certificate.name }).click();
    await auditor.page.waitForSelector('[data-training="valid"]');
    await auditor.shot("training-deployed");
  }));

test("a constraint's key that two parties made is told with their names, and needs no allowance", () =>
  asAuditor(async (auditor) => {
    await auditor.pin(agreed.roster);
    const report = await give(auditor, agreed.certificate, agreed.decisions);
    assert.equal(report.verdict, "valid", JSON.stringify(report.checks));
    assert.deepEqual([report.checks["compliance.setup"], report.decisions], ["passed", ["same"]]);
    const claims = await auditor.page.textContent('[aria-labelledby="training-compliance"]');
    assert.match(claims ?? "", /Aurora Bank, Borealis Credit/);
    await auditor.shot("training-agreed");
  }));

test("damaged certificates are invalid, wherever the damage is", () =>
  asAuditor(async (auditor) => {
    await auditor.pin(summed.roster);
    const { length } = summed.certificate.bytes;
    for (const part of [0.001, 0.2, 0.5, 0.8, 0.999]) {
      const report = await give(auditor, flip(summed.certificate, Math.floor(part * length)));
      assert.equal(report.verdict, "invalid", part.toString());
      assert.ok(failures(report.checks).length > 0 && report.sentence.startsWith("Do not rely on this certificate."), report.sentence);
    }
    const cut = await give(auditor, { name: "cut", bytes: summed.certificate.bytes.subarray(0, length / 2) });
    assert.deepEqual(failures(cut.checks), ["training.encoding"]);
    // What does not begin as one is no evidence either.
    await auditor.go("#/report");
    assert.equal((await auditor.check(flip(summed.certificate, 0))).verdict, "invalid");
  }));

describe("trying to break a certificate", () => {
  /** The result of an attack. @param {Auditor} auditor @param {string} tampering */
  async function attack(auditor, tampering) {
    const { page } = auditor;
    await page.check(`input[value=${tampering}]`);
    await page.click("#break-go");
    await page.waitForSelector(`#break-result[data-what=${tampering}]`);
    await page.waitForSelector("#break-go:not(:disabled)");
    return page.evaluate(() => ({
      verdict: document.querySelector("#break-result")?.getAttribute("data-verdict"),
      failed: [...document.querySelectorAll('#break-result [data-outcome="failed"]')].map((item) => item.getAttribute("data-check")),
    }));
  }

  /** @type {readonly [typeof summed, Record<string, readonly string[]>][]} */
  const ATTACKS = [
    [summed, {
      signature: ["training.signatures"],
      outcome: ["training.sums"],
      party: ["training.roster", "training.survivors", "training.sums", "training.signatures"],
      update: ["training.contributions", "training.signatures"],
      norm: ["training.contributions", "training.norms", "training.signatures"],
      sum: ["training.sums", "training.signatures"],
      round: ["training.signatures"],
      noise: ["privacy.noise", "training.signatures"],
      spent: ["privacy.epsilon", "training.signatures"],
    }],
    [deployed, {
      signature: ["training.signatures"],
      model: ["training.models", "training.signatures"],
      constraint: ["compliance.proof", "training.signatures"],
      deployment: ["model.commitment"],
    }],
  ];
  for (const [certificate, tamperings] of ATTACKS) {
    test(`${Object.keys(tamperings).join(", ")}: each is caught by its check`, () =>
      asAuditor(async (auditor) => {
        await auditor.pin(certificate.roster);
        await auditor.allowDevelopmentSetups(true);
        assert.equal((await give(auditor, certificate.certificate)).verdict, "valid");
        for (const [tampering, checks] of Object.entries(tamperings)) {
          const { verdict, failed } = await attack(auditor, tampering);
          assert.equal(verdict, "invalid", tampering);
          // A signature beside the body fails alone; what the parties signed does not change without their signatures.
          assert.ok(checks.every((check) => failed.includes(check)), `${tampering}: ${failed.join(", ")}`);
          assert.ok(checks.length > 1 || failed.length === 1 || tampering === "round", `${tampering}: ${failed.join(", ")}`);
        }
        // The certificate itself stays as it was.
        assert.equal((await shown(auditor)).verdict, "valid");
      }));
  }

  test("any byte; and two parties that are chosen by name, on the page for it", () =>
    asAuditor(async (auditor) => {
      const { page } = auditor;
      await auditor.pin(deployed.roster);
      await auditor.allowDevelopmentSetups(true);
      await give(auditor, deployed.certificate, deployed.decisions);
      await auditor.go("#/break");
      await page.selectOption("#break-file", { label: deployed.certificate.name });
      for (const part of [0, 0.5, 0.999]) {
        await page.waitForSelector("#break-at");
        await page.fill("#break-at", Math.floor(part * deployed.certificate.bytes.length).toString());
        await page.press("#break-at", "Tab");
        assert.equal((await attack(auditor, "byte")).verdict, "invalid", part.toString());
      }
      await page.check("input[value=signature]");
      assert.deepEqual(await page.locator("#break-party option").allTextContents(), ["Aurora Bank", "Borealis Credit", "Cirrus", "Dorado & Sons"]);
      await page.selectOption("#break-other-party", { index: 2 });
      assert.deepEqual(await attack(auditor, "signature"), { verdict: "invalid", failed: ["training.signatures"] });
      // One party with itself: nothing to exchange.
      await page.selectOption("#break-other-party", { index: 0 });
      await page.click("#break-go");
      await page.getByText("has nothing of that kind to change").waitFor();
    }));
});

for (const [what, text] of /** @type {const} */ ([
  ["no party", '{"parties": []}'],
  ["a short key", summed.roster.bytes.toString().replace(/"[0-9a-f]{64}"/, '"12"')],
  ["deep nesting", `{"parties": ${"[".repeat(100_000)}`],
])) {
  test(`a roster with ${what} is not pinned`, () =>
    asAuditor(async (auditor) => {
      await auditor.pin({ name: "roster.json", bytes: Buffer.from(text) });
      assert.match((await auditor.page.textContent("#trust-problem")) ?? "", /was not pinned: ./);
    }));
}

test("markup in names stays text", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    const named = (/** @type {string} */ name) => ({ name: `${name.slice(0, 40)}.json`, bytes: Buffer.from(summed.roster.bytes.toString().replace("party 1", name.replaceAll('"', '\\"'))) });
    await auditor.pin(named(SCRIPT));
    await auditor.pin(named("W".repeat(300)));
    await auditor.pin(named("\u202eقاعدة المخاطر"));
    // The certificate's own strings, of the same length: its signatures fail, and its names are shown.
    const bytes = Buffer.from(deployed.certificate.bytes.toString("latin1").replaceAll("Aurora Bank", "<img src=x>"), "latin1");
    const report = await give(auditor, { name: `${SCRIPT}.bin`, bytes });
    assert.equal(report.verdict, "invalid");
    assert.ok(report.text.includes("<img src=x>"));
    assert.equal(await page.evaluate(() => Reflect.has(globalThis, "hacked")), false);
    assert.equal(await page.locator("main img").count(), 0);
    await page.setViewportSize({ width: 320, height: 700 });
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)) <= 0);
    await auditor.shot("training-hostile-320");
  }));

test("it works offline, and is saved as HTML and JSON", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    await auditor.context.setOffline(true);
    await auditor.pin(deployed.roster);
    await auditor.allowDevelopmentSetups(true);
    assert.equal((await give(auditor, deployed.certificate, deployed.decisions)).verdict, "valid");
    const saved = async (/** @type {string} */ button) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
      return readFileSync(await download.path(), "utf8");
    };
    /** @type {unknown} */
    const parsed = JSON.parse(await saved("#save-training-json"));
    const json = /** @type {{ verdict: string, sha256: string, checks: unknown[], decisions: unknown[] }} */ (parsed);
    assert.deepEqual([json.verdict, json.sha256, json.decisions], ["valid", sha256(deployed.certificate.bytes), [{ file: deployed.decisions.name, model: "same" }]]);
    const html = await saved("#save-training-page");
    assert.ok(html.includes("Content-Security-Policy") && html.includes("evidence.model") && html.includes("Dorado &#38; Sons"));
    assert.ok(html.includes(digestOfRoster(deployed.roster.bytes)) && !html.includes("<script"));
    await page.emulateMedia({ media: "print" });
    await auditor.shot("training-print");
  }));

test("the page is read and its table reached by the keyboard alone", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    await auditor.pin(summed.roster);
    await give(auditor, summed.certificate);
    await auditor.go("#/report");
    await page.waitForSelector("[data-training]");
    const focus = () => page.evaluate(() => (document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "").trim());
    for (let press = 0; press < 60 && (await focus()) !== "The whole certificate"; press += 1) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash === "#/training/0");
    for (let press = 0; press < 60 && (await focus()) !== "Roster, table"; press += 1) {
      await page.keyboard.press("Tab");
    }
    assert.equal(await focus(), "Roster, table");
  }));
