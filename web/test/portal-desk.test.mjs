/** The portal on a desk's evidence: what the log shows, records, falsifying, verifying again, exports. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { startPortal } from "./browser.mjs";
import { desk, sha256 } from "./desk.mjs";
import { logFile, logSigner } from "./log-file.mjs";

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

/** With the desk's models and key pinned. @param {(auditor: import("./browser.mjs").Auditor) => Promise<void>} story */
function atTheDesk(story) {
  return asAuditor(async (auditor) => {
    await auditor.pin(desk.first);
    await auditor.pin(desk.second);
    await auditor.pin(desk.logKey);
    await story(auditor);
  });
}

/** @param {import("./browser.mjs").Auditor} auditor @returns {Promise<Record<string, string>>} */
function levels(auditor) {
  return auditor.page.evaluate(() =>
    Object.fromEntries([...document.querySelectorAll("[data-level]")].map((item) => [item.getAttribute("data-level") ?? "", item.getAttribute("data-outcome") ?? ""])),
  );
}

/** @param {import("./browser.mjs").Auditor} auditor @param {string} name */
async function levelText(auditor, name) {
  return (await auditor.page.textContent(`[data-level="${name}"] p`)) ?? "";
}

describe("what the log shows", () => {
  test("growth is proved from the checkpoint of the visit before", () =>
    atTheDesk(async (auditor) => {
      assert.equal((await auditor.check(desk.firstVisit)).verdict, "valid");
      assert.deepEqual(await levels(auditor), { inclusion: "passed", growth: "unknown", witnesses: "unknown", content: "passed" });
      assert.match(await levelText(auditor, "growth"), /first time/);
      await auditor.open();
      assert.equal((await auditor.check(desk.secondVisit)).verdict, "valid");
      assert.deepEqual(await levels(auditor), { inclusion: "passed", growth: "passed", witnesses: "unknown", content: "passed" });
      assert.match(await levelText(auditor, "growth"), /42 entries.*unchanged/);
      await auditor.open();
      await auditor.check(desk.firstVisit);
      assert.match(await levelText(auditor, "growth"), /saw before/);
    }));

  test("a witness that was pinned saw the same log, and all four levels are shown", () =>
    atTheDesk(async (auditor) => {
      await auditor.check(desk.firstVisit);
      await auditor.open();
      assert.equal((await auditor.check(desk.witnessed)).verdict, "valid");
      assert.deepEqual(await levels(auditor), { inclusion: "passed", growth: "passed", witnesses: "unknown", content: "passed" });
      assert.match(await levelText(auditor, "witnesses"), /You pinned no witness/);
      await auditor.pin(desk.witnessKey);
      await auditor.page.getByText("witness key", { exact: true }).waitFor();
      await auditor.page.waitForSelector('[data-level="witnesses"][data-outcome="passed"]');
      assert.deepEqual(await levels(auditor), { inclusion: "passed", growth: "passed", witnesses: "passed", content: "passed" });
      assert.match(await levelText(auditor, "witnesses"), /saw this checkpoint/);
      assert.equal((await auditor.report()).checks.find(({ name }) => name === "log.witnesses")?.outcome, "passed");
      await auditor.shot("report-witnessed");
      // The same checkpoint without the witness's signature: it may have been shown to us alone.
      assert.notEqual((await auditor.check(desk.secondVisit)).verdict, "invalid");
      assert.equal((await levels(auditor)).witnesses, "unknown");
      // A signature with a bit flipped, of the witness's or of the log's, is a false one.
      const cosignature = desk.witnessed.bytes.indexOf(Buffer.from("— witness.example ")) + 40;
      assert.ok(cosignature > 40);
      const forged = Buffer.from(desk.witnessed.bytes);
      forged.write(forged.subarray(cosignature, cosignature + 1).toString() === "A" ? "B" : "A", cosignature);
      assert.equal((await auditor.check({ name: "forged", bytes: forged })).verdict, "invalid");
      assert.equal((await levels(auditor)).witnesses, "failed");
    }));

  test("without the log's key nothing is said of it, and nothing remembered", () =>
    asAuditor(async (auditor) => {
      await auditor.pin(desk.first);
      assert.equal((await auditor.check(desk.firstVisit)).verdict, "unknown");
      assert.deepEqual(await levels(auditor), { inclusion: "unknown", growth: "unknown", witnesses: "unknown", content: "passed" });
      await auditor.go("#/models");
      assert.equal(await auditor.page.getByText("Checkpoints that this browser saw").count(), 0);
    }));

  test("growth that no file shows is not assumed, and the page says what to ask for", () =>
    asAuditor(async (auditor) => {
      const signer = logSigner("grows.example/log");
      const texts = { name: "m", by: "b", note: "" };
      await auditor.pin({ name: "key", bytes: Buffer.from(signer.verifierKey) });
      await auditor.check({ name: "small", bytes: logFile(signer, 3, texts) });
      await auditor.open();
      await auditor.check({ name: "large", bytes: logFile(signer, 9, texts) });
      assert.equal((await levels(auditor)).growth, "unknown");
      assert.match((await auditor.page.textContent("#result")) ?? "", /audit export --earlier 5/);
    }));

  for (const together of [false, true]) {
    test(`two histories of one length are told apart, ${together ? "given together" : "on two visits"}`, () =>
      asAuditor(async (auditor) => {
        const signer = logSigner("two-faced.example/log");
        await auditor.pin({ name: "key", bytes: Buffer.from(signer.verifierKey) });
        const one = { name: "one", bytes: logFile(signer, 4, { name: "honest", by: "b", note: "" }) };
        const other = { name: "other", bytes: logFile(signer, 4, { name: "forged", by: "b", note: "" }) };
        if (together) {
          await auditor.check(one, other);
        } else {
          await auditor.check(one);
          assert.equal((await levels(auditor)).growth, "unknown");
          await auditor.open();
          await auditor.check(other);
        }
        assert.equal((await levels(auditor)).growth, "failed");
        assert.match((await auditor.page.textContent(".warning[role=alert]")) ?? "", /two different histories/);
      }));
  }

  test("a typed key is pinned, and nonsense is refused in a sentence", () =>
    asAuditor(async (auditor) => {
      await auditor.page.click(".add-key summary");
      await auditor.page.fill("#key-text", "desk.example/log+00000000+AAAA");
      await auditor.page.press("#key-text", "Enter");
      assert.match((await auditor.page.textContent("#trust-problem")) ?? "", /was not pinned: ./);
      await auditor.page.fill("#key-text", desk.logKey.bytes.toString());
      await auditor.page.press("#key-text", "Enter");
      await auditor.page.waitForSelector("[data-key]");
      assert.equal(await auditor.page.locator("#trust-problem").count(), 0);
      const report = await auditor.check(desk.firstVisit);
      assert.equal(report.verdict, "unknown");
      assert.equal(report.checks.find(({ name }) => name === "log.checkpoint")?.outcome, "passed");
    }));
});

describe("records", () => {
  test("are filtered by symbol, decision and text, and counted", () =>
    atTheDesk(async (auditor) => {
      await auditor.check(desk.secondVisit);
      await auditor.go("#/records");
      const count = () => auditor.page.textContent("#records-count");
      assert.equal(await count(), "64 records");
      await auditor.page.selectOption("#filter-symbol", "FJRD");
      await auditor.page.waitForFunction(() => document.getElementById("records-count")?.textContent === "9 of 64 records");
      await auditor.page.selectOption("#filter-decision", "declined");
      await auditor.page.waitForFunction(() => document.getElementById("records-count")?.textContent === "2 of 64 records");
      assert.equal(await auditor.page.locator(".records tbody .declined").count(), 2);
      await auditor.page.getByRole("button", { name: "Clear" }).click();
      await auditor.page.selectOption("#filter-model", sha256(desk.second.bytes));
      await auditor.page.waitForFunction(() => document.getElementById("records-count")?.textContent === "24 of 64 records");
      await auditor.page.fill("#filter-text", "no such thing");
      await auditor.page.getByText("No record matches the filter.").waitFor();
    }));

  test("a deep link leads to a record, before and after its file is there; disclosed inputs are named", () =>
    atTheDesk(async (auditor) => {
      await auditor.open("#/records/7");
      await auditor.page.getByText("the evidence file that holds record 7").waitFor();
      await auditor.page.setInputFiles("#evidence-input", { name: "e", mimeType: "", buffer: desk.secondVisit.bytes });
      await auditor.page.getByRole("heading", { name: "Declined" }).waitFor();
      const inputs = await auditor.page.locator(".inputs-list li").allTextContents();
      assert.equal(inputs.length, 6);
      for (const name of ["size", "leverage", "price", "volume", "position_pct", "symbol"]) {
        assert.ok(inputs.some((text) => text.startsWith(`${name} `)), `${name}: ${inputs.join("; ")}`);
      }
      await auditor.page.getByRole("link", { name: "Next" }).click();
      await auditor.page.waitForFunction(() => location.hash === "#/records/8");
      await auditor.page.getByText("Hidden. The proof binds").waitFor();
      assert.equal(await auditor.page.locator('.batch [aria-current="true"]').count(), 1);
      // One numbering, the verifier's: that of the checks below.
      const [, row, proof] = /row (\d+) of proof (\d+)/.exec((await auditor.page.textContent("main")) ?? "") ?? [];
      assert.ok(row !== undefined && proof !== undefined);
      assert.ok((await auditor.page.locator(".check .inputs").allTextContents()).some((inputs) => inputs.includes(`proof ${proof}, row`)));
      assert.equal(await auditor.page.textContent('.batch [aria-current="true"]'), row);
      assert.match((await auditor.page.getAttribute(".path-drawing", "aria-label")) ?? "", /entry 8: 7 steps/);
    }));

  test("are saved as CSV, whose cells no spreadsheet computes", () =>
    atTheDesk(async (auditor) => {
      await auditor.check(desk.secondVisit);
      await auditor.go("#/records");
      const [download] = await Promise.all([auditor.page.waitForEvent("download"), auditor.page.click("#save-csv")]);
      const lines = readFileSync(await download.path(), "utf8").trim().split("\r\n");
      assert.equal(lines.length, 65);
      assert.match(lines[1] ?? "", /^"2","20\d\d-.*","approved","yes","FJRD","compliance","[0-9a-f]{64}","proved",/);
    }));
});

describe("trying to break it", () => {
  for (const [tampering, check] of /** @type {const} */ ([
    ["byte", ""],
    ["decision", "proof"],
    ["swap", "proof"],
    ["remove", "log.window"],
    ["time", "proof"],
    ["metadata", "proof"],
    ["proof", "proof"],
    ["entry", "log.window"],
    ["checkpoint", "log.checkpoint"],
  ])) {
    test(`${tampering} is caught${check === "" ? "" : ` by ${check}`}`, () =>
      atTheDesk(async (auditor) => {
        await auditor.check(desk.secondVisit);
        await auditor.go("#/break");
        await auditor.page.check(`input[value=${tampering}]`);
        await auditor.page.click("#break-go");
        await auditor.page.waitForSelector(`#break-result[data-what=${tampering}]`);
        assert.equal(await auditor.page.getAttribute("#break-result", "data-verdict"), "invalid");
        const failed = await auditor.page.evaluate(() =>
          [...document.querySelectorAll('#break-result [data-outcome="failed"]')].map((item) => item.getAttribute("data-check")),
        );
        assert.ok(failed.length > 0 && (check === "" || failed.includes(check)), failed.join(", "));
      }));
  }

  test("every byte of a sample of offsets is caught", () =>
    atTheDesk(async (auditor) => {
      await auditor.check(desk.firstVisit);
      await auditor.go("#/break");
      await auditor.page.waitForSelector("#break-at");
      for (const part of [0, 0.2, 0.5, 0.8, 0.99]) {
        await auditor.page.fill("#break-at", Math.floor(part * desk.firstVisit.bytes.length).toString());
        await auditor.page.press("#break-at", "Tab");
        await auditor.page.click("#break-go");
        await auditor.page.waitForFunction(() => document.querySelector("#break-go:not(:disabled)"));
        assert.equal(await auditor.page.getAttribute("#break-result", "data-verdict"), "invalid", part.toString());
      }
    }));
});

describe("verifying again", () => {
  test("all proofs, a sample of them, and the whole report as JSON", () =>
    atTheDesk(async (auditor) => {
      await auditor.check(desk.firstVisit, desk.secondVisit);
      await auditor.go("#/verify-all");
      await auditor.page.click("#again-all");
      await auditor.page.waitForSelector('#again-result[data-outcome="passed"][data-cancelled="false"]');
      const all = Number(await auditor.page.getAttribute("#again-result", "data-proofs"));
      assert.ok(all > 20, all.toString());
      await auditor.page.fill("#sample-size", "3");
      await auditor.page.click("#again-sample");
      await auditor.page.waitForFunction((n) => Number(document.getElementById("again-result")?.getAttribute("data-proofs") ?? n) < n, all);
      const drawn = Number(await auditor.page.getAttribute("#again-result", "data-proofs"));
      assert.ok(drawn >= 1 && drawn <= 3, drawn.toString());
      const [download] = await Promise.all([auditor.page.waitForEvent("download"), auditor.page.click("#save-all")]);
      /** @type {unknown} */
      const parsed = JSON.parse(readFileSync(await download.path(), "utf8"));
      const report = /** @type {{ wasmSha256: string, files: { sha256: string, verdict: string, checks: unknown[] }[], pinned: { bundles: string[] } }} */ (parsed);
      assert.deepEqual(report.files.map(({ sha256, verdict }) => [sha256, verdict]), [
        [sha256(desk.firstVisit.bytes), "valid"],
        [sha256(desk.secondVisit.bytes), "valid"],
      ]);
      assert.match(report.wasmSha256, /^[0-9a-f]{64}$/);
      assert.deepEqual(new Set(report.pinned.bundles), new Set([sha256(desk.first.bytes), sha256(desk.second.bytes)]));
    }));

  test("can be cancelled", () =>
    atTheDesk(async (auditor) => {
      await auditor.check(...Array.from({ length: 20 }, (_, index) => ({ ...desk.secondVisit, name: `copy ${index.toString()}` })));
      await auditor.go("#/verify-all");
      await auditor.page.click("#again-all");
      await auditor.page.click("#again-cancel");
      await auditor.page.waitForSelector('#again-result[data-cancelled="true"]');
      // The page goes on working.
      await auditor.go("#/report");
      assert.equal((await auditor.check(desk.firstVisit)).verdict, "valid");
    }));

  test("a report names the wasm, the digests and the pins on paper", () =>
    atTheDesk(async (auditor) => {
      await auditor.check(desk.secondVisit);
      await auditor.page.emulateMedia({ media: "print" });
      const printed = (await auditor.page.locator("body").innerText()).replace(/\s+/g, " ");
      for (const text of [sha256(desk.secondVisit.bytes), sha256(desk.first.bytes), desk.logKey.bytes.toString().trim(), "clearproof verification report", "Not checked"]) {
        assert.ok(printed.includes(text), `${text} in: ${printed.slice(0, 400)}`);
      }
      assert.ok(!printed.includes("Choose files"));
      const pdf = await auditor.page.pdf({ format: "A4" });
      assert.ok(pdf.length > 10_000 && pdf.subarray(0, 5).toString() === "%PDF-");
    }));
});

test("the overview counts what the records hold, and each chart has a table", () =>
  atTheDesk(async (auditor) => {
    await auditor.check(desk.secondVisit);
    await auditor.go("#/overview");
    await auditor.page.waitForSelector(".tiles strong");
    const tiles = await auditor.page.locator(".tiles strong").allTextContents();
    assert.deepEqual(tiles, ["64", "100.0 %", "28.1 %", "–"]);
    const charts = await auditor.page.locator("figure.chart").count();
    assert.equal(charts, 6);
    assert.equal(await auditor.page.locator("figure.chart table").count(), charts);
    const cells = await auditor.page.locator("figure.chart").filter({ hasText: "Decisions by model" }).locator("tbody td").allTextContents();
    assert.equal(cells.map(Number).reduce((a, b) => a + b, 0), 64);
    const policies = await auditor.page.locator("figure.chart").filter({ hasText: "Decisions by policy" }).locator("tbody th").allTextContents();
    assert.deepEqual(policies, ["desk limits", "desk limits, tightened"]);
  }));

test("models show their policy, their architecture and how to rebuild the key", () =>
  atTheDesk(async (auditor) => {
    await auditor.check(desk.secondVisit);
    await auditor.go("#/models");
    const model = auditor.page.locator(`[data-model="${sha256(desk.second.bytes)}"]`);
    const text = (await model.innerText()).replace(/\s+/g, " ");
    for (const part of ["desk limits, tightened", "leverage <= 2.5", "clearproof compile --skeleton second.verifier.bin"]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
    assert.match((await model.locator(".architecture").textContent()) ?? "", /linear.*5 → 10, relu/s);
    assert.deepEqual(await auditor.page.locator(".timeline li strong").allTextContents(), ["Registered", "Approved", "Registered", "Changed"]);
  }));
