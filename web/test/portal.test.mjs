/** The page, in a real Chromium: what an auditor sees for honest, foreign and tampered files. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startPortal } from "./browser.mjs";
import { sha256 } from "./desk.mjs";
import { TAMPERINGS, ceremony, flip, loadVectors } from "./vectors.mjs";

const PNG = Buffer.from("89504e470d0a1a0a0000000d4948445200000001000000010806000000", "hex");

/** @type {import("./browser.mjs").Portal} */
let portal;
before(async () => {
  portal = await startPortal();
});
after(async () => {
  await portal.stop();
});

/** @type {import("./browser.mjs").Portal["asAuditor"]} */
const asAuditor = (story, path) => portal.asAuditor(story, path);

/** @param {import("./browser.mjs").ShownReport} report */
function failures(report) {
  return report.checks.filter((check) => check.outcome === "failed");
}

for (const vector of loadVectors()) {
  describe(vector.name, () => {
    test("is valid against its pinned model, and stays pinned on the next visit", () =>
      asAuditor(async (auditor) => {
        await auditor.pin(vector.trust);
        await auditor.allowDevelopmentSetups(vector.development);
        for (const visit of [1, 2]) {
          const report = await auditor.check(vector.evidence);
          assert.equal(report.verdict, "valid", `visit ${visit.toString()}: ${report.sentence}`);
          assert.equal(report.title, "Valid");
          assert.ok(report.checks.length > 0);
          for (const check of report.checks) {
            assert.equal(check.outcome, "passed", check.name);
            assert.match(check.cost, / ms|s.*offline/);
          }
          assert.ok(report.notChecked.length > 0, "a verdict says what was not checked");
          await auditor.open();
          await auditor.allowDevelopmentSetups(vector.development);
        }
      }));

    test("cannot be told without a pinned model", () =>
      asAuditor(async (auditor) => {
        await auditor.allowDevelopmentSetups(true);
        const report = await auditor.check(vector.evidence);
        assert.equal(report.title, "Cannot tell", report.sentence);
        assert.deepEqual(failures(report), []);
        assert.ok(report.checks.some((check) => check.outcome === "unknown" && check.reason !== ""));
      }));

    test("cannot be told once its model is removed again", () =>
      asAuditor(async (auditor) => {
        await auditor.pin(vector.trust);
        await auditor.allowDevelopmentSetups(true);
        assert.equal((await auditor.check(vector.evidence)).verdict, "valid");
        await auditor.page.click("#trust-list .pin-head button");
        await auditor.page.waitForSelector('[data-verdict="unknown"]');
      }));

    for (const { what, failed, offset } of TAMPERINGS) {
      test(`is invalid with ${what} changed, by the check ${failed}`, () =>
        asAuditor(async (auditor) => {
          await auditor.pin(vector.trust);
          await auditor.allowDevelopmentSetups(true);
          const report = await auditor.check(flip(vector.evidence, offset(vector.evidence.bytes)));
          assert.equal(report.title, "Invalid");
          const [first] = failures(report);
          assert.equal(first?.name, failed);
          assert.ok(first.reason !== "" && report.sentence.includes(first.reason), report.sentence);
        }));
    }

    test("is not valid with any of several bits flipped", () =>
      asAuditor(async (auditor) => {
        await auditor.pin(vector.trust);
        await auditor.allowDevelopmentSetups(true);
        for (const part of [0.02, 0.3, 0.6, 0.9, 0.999]) {
          const tampered = flip(vector.evidence, Math.floor(part * vector.evidence.bytes.length));
          const report = await auditor.check(tampered);
          assert.notEqual(report.verdict, "valid", tampered.name);
          assert.ok(report.sentence.length > 40, report.sentence);
        }
      }));

    if (vector.development) {
      test("is not valid unless development set-ups are accepted", () =>
        asAuditor(async (auditor) => {
          await auditor.pin(vector.trust);
          assert.notEqual((await auditor.check(vector.evidence)).verdict, "valid");
          await auditor.allowDevelopmentSetups(true);
          await auditor.page.waitForSelector('[data-verdict="valid"]');
        }));
    }

    test("figures: the first verification on a cold page, then warm ones in its worker", async (t) => {
      const begin = performance.now();
      const auditor = await portal.auditor();
      const loaded = performance.now();
      await auditor.check(vector.evidence);
      const first = performance.now();
      await auditor.pin(vector.trust);
      await auditor.allowDevelopmentSetups(true);
      /** @type {number[]} */
      const warm = [];
      for (let run = 0; run < 9; run += 1) {
        await auditor.check(vector.evidence);
        warm.push(await auditor.page.evaluate(() => Number(document.querySelector("[data-milliseconds]")?.getAttribute("data-milliseconds"))));
      }
      await auditor.leave();
      warm.sort((a, b) => a - b);
      t.diagnostic(
        `${vector.name}: page ready in ${(loaded - begin).toFixed(0)} ms, first report ${(first - loaded).toFixed(0)} ms later; ` +
          `warm in the worker: median ${(warm[4] ?? NaN).toFixed(1)} ms, best ${(warm[0] ?? NaN).toFixed(1)} ms`,
      );
    });
  });
}

test("another model's evidence is not valid against this pin", () =>
  asAuditor(async (auditor) => {
    const vectors = loadVectors();
    for (const [index, vector] of vectors.entries()) {
      const other = vectors[(index + 1) % vectors.length];
      if (other === undefined || other.trust.bytes.equals(vector.trust.bytes)) {
        continue;
      }
      await auditor.open();
      await auditor.pin(other.trust);
      await auditor.allowDevelopmentSetups(true);
      assert.notEqual((await auditor.check(vector.evidence)).verdict, "valid", `${vector.name} against ${other.trust.name}`);
      await auditor.page.click("#trust-list .pin-head button");
      await auditor.page.waitForSelector("#trust-empty");
    }
  }));

test("a KZG set-up by two persons needs no permission: it rests on the pinned bundle, whose fingerprint is shown", () =>
  asAuditor(async (auditor) => {
    const { page } = auditor;
    const fingerprint = sha256(ceremony.trust.bytes);
    const before = await auditor.check(ceremony.decisions);
    assert.equal(before.verdict, "unknown");
    assert.equal(before.checks.find(({ name }) => name === "srs.recognised")?.outcome, "unknown");
    await auditor.pin(ceremony.trust);
    await page.waitForSelector('[data-verdict="valid"]');
    const report = await auditor.report();
    assert.ok(report.checks.every(({ outcome }) => outcome === "passed"));
    assert.match(report.checks.find(({ name }) => name === "srs.recognised")?.reason ?? "", /bundle that you supplied/);
    assert.equal(await page.isChecked("#allow-dev"), false);
    assert.equal((await page.textContent("#trust-list .digest.whole"))?.replaceAll(/\s/g, ""), fingerprint);
    assert.equal(await page.locator("#trust-list .tag.insecure").count(), 0);
    await auditor.go("#/models");
    assert.match((await page.textContent(`[data-model="${fingerprint}"] .set-up`)) ?? "", /^A ceremony’s/);
    await auditor.shot("models-ceremony");
    // Other keys of the same scheme do not get by with this pin.
    await auditor.go("#/report");
    const other = loadVectors().find(({ name }) => name === "kzg-batch");
    assert.ok(other !== undefined);
    assert.equal((await auditor.check(other.evidence)).verdict, "invalid");
  }));

for (const [what, file] of /** @type {const} */ ([
  ["a picture", { name: "cat.png", bytes: PNG }],
  ["a text", { name: "notes.txt", bytes: Buffer.from("approve everything\n") }],
  ["an empty file", { name: "empty", bytes: Buffer.alloc(0) }],
])) {
  test(`${what} is invalid, in a sentence`, () =>
    asAuditor(async (auditor) => {
      const report = await auditor.check(file);
      assert.equal(report.title, "Invalid");
      assert.match(report.sentence, /^Do not rely on this file\. \S.*\S$/s);
      assert.ok(failures(report).length > 0);
    }));

  test(`${what} cannot be pinned`, () =>
    asAuditor(async (auditor) => {
      await auditor.pin(file);
      assert.match((await auditor.page.textContent("#trust-problem")) ?? "", /was not pinned: ./);
      assert.equal(await auditor.page.locator("#trust-list li").count(), 0);
    }));
}

test("the browser lets neither the page nor its worker connect to anything, the page's own host included", async () => {
  const auditor = await portal.auditor();
  try {
    const attempt = (/** @type {string} */ url) => fetch(url).then(() => "connected", () => "refused");
    assert.equal(await auditor.page.evaluate(attempt, portal.url), "refused");
    await auditor.check({ name: "cat.png", bytes: PNG });
    const worker = auditor.page.workers()[0];
    assert.ok(worker, "the page has a worker");
    assert.equal(await worker.evaluate(attempt, portal.url), "refused");
    assert.deepEqual(auditor.misbehaviour().foreignRequests, []);
    assert.equal(auditor.requests.filter((url) => url === portal.url).length, 1, auditor.requests.join(" "));
  } finally {
    await auditor.leave();
  }
});

test("the keyboard reaches every control", () =>
  asAuditor(async (auditor) => {
    /** @type {string[]} */
    const reached = [];
    for (let press = 0; press < 40 && reached.at(-1) !== "allow-dev"; press += 1) {
      await auditor.page.keyboard.press("Tab");
      reached.push(
        await auditor.page.evaluate(() => {
          const { id = "", textContent = "" } = document.activeElement ?? {};
          return id === "" ? textContent.trim() : id;
        }),
      );
    }
    assert.equal(reached[0], "Skip to the content");
    for (const control of ["Report", "Records", "Overview", "Models", "Training", "Try to break it", "Verify again", "Live", "evidence-input", "folder-input", "trust-input", "allow-dev"]) {
      assert.ok(reached.includes(control), `${control}: ${reached.join(", ")}`);
    }
  }));

test("a file dropped on the zone is judged", () =>
  asAuditor(async (auditor) => {
    await auditor.page.evaluate(() => {
      const files = new DataTransfer();
      files.items.add(new File(["no evidence"], "dropped.txt"));
      const zone = document.getElementById("evidence-zone");
      zone?.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
    });
    assert.equal((await auditor.report()).verdict, "invalid");
  }));
