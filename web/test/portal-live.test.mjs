/** The portal and a real service: connecting, pinning, following, and a policy that lets nothing else be reached. */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { axe } from "./axe.mjs";
import { startPortal } from "./browser.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
const COMMAND = join(TARGET, "debug/clearproof");

/** @type {import("./browser.mjs").Portal} */
let portal;
let work = "";
let url = "";
let logKey = "";
/** @type {Map<string, string>} */
let keys;
/** @type {import("node:child_process").ChildProcess} */
let service;

/** @param {string[]} args */
function run(...args) {
  return execFileSync(COMMAND, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

/** @param {string} role @param {string} path @param {unknown} body @returns {Promise<Record<string, unknown>>} */
async function post(role, path, body) {
  const response = await fetch(`${url}/v1/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${keys.get(role) ?? ""}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  /** @type {unknown} */
  const parsed = await response.json();
  const answer = /** @type {Record<string, unknown>} */ (parsed);
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}

/** @param {number} size */
function decide(size) {
  return post("trader", "decisions", { features: { size, leverage: 1.5, price: 0.5, volume: 3, position_pct: 0.2 }, metadata: { symbol: "FJRD" } });
}

before(async () => {
  // `make test` has built it by now; alone, this takes minutes.
  if (!existsSync(COMMAND)) {
    execFileSync("cargo", ["build", "--workspace", "--locked", "--bin", "clearproof"], { cwd: ROOT, stdio: "ignore" });
  }
  portal = await startPortal();
  work = mkdtempSync(join(tmpdir(), "clearproof-live-"));
  const dir = join(work, "desk");
  const made = run("serve", "--init", "--dir", dir, "--origin", "live.example/log");
  logKey = /\S+\+[0-9a-f]{8}\+\S+/.exec(made)?.[0] ?? "";
  keys = new Map([...made.matchAll(/^\s*(trader|auditor|admin)\S*\s+(\S+)\s*$/gm)].map(([, role = "", key = ""]) => [role, key]));
  const config = join(dir, "clearproof.toml");
  writeFileSync(config, `portal = ${JSON.stringify(fileURLToPath(new URL("../dist", import.meta.url)))}\ncheckpoint_seconds = 1\n${readFileSync(config, "utf8").replace(/^checkpoint_seconds.*$/m, "")}`);
  run("compile", join(ROOT, "tests/models/compliance.onnx"), "--policy", join(ROOT, "tests/desk/first.toml"), "--batch", "2", "--out", join(dir, "models/first"));
  service = spawn(COMMAND, ["serve", "--dir", dir, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
  url = await new Promise((resolve, reject) => {
    let told = "";
    service.once("exit", () => { reject(new Error(`the service ended: ${told}`)); });
    service.stdout?.on("data", (/** @type {Buffer} */ data) => {
      told += data.toString();
      const found = /http:\/\/[\d.:]+/.exec(told)?.[0];
      if (found !== undefined) {
        resolve(found);
      }
    });
  });
  const { model } = await post("admin", "models/load", { folder: "first" });
  await post("admin", `models/${String(model)}/register`, { note: "" });
  await post("admin", `models/${String(model)}/approve`, { note: "reviewed" });
});
after(async () => {
  service.kill("SIGTERM");
  await portal.stop();
  rmSync(work, { recursive: true, force: true });
});

test("index.html refuses to connect and says where to go on", async () => {
  const auditor = await portal.auditor("#/live");
  await auditor.page.getByText("cannot connect to anything").waitFor();
  assert.equal(await auditor.page.locator("#live-address").count(), 0);
  await auditor.leave();
});

test("the page that the service serves follows it, and each checkpoint is verified here", { timeout: 120_000 }, async () => {
  const context = await portal.browser.newContext({ viewport: { width: 1280, height: 900 } });
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const foreign = [];
  /** @type {string[]} */
  const fetched = [];
  context.on("weberror", (error) => complaints.push(error.error().message));
  context.on("request", (request) => {
    fetched.push(new URL(request.url()).pathname);
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) {
      foreign.push(request.url());
    }
  });
  const page = await context.newPage();
  const response = await page.goto(`${url}/live.html#/live`);
  assert.match(response?.headers()["content-security-policy"] ?? "", /require-trusted-types-for 'script'/);
  await page.waitForSelector("html[data-ready]");
  // Until a service is named, nothing can be reached.
  const attempt = (/** @type {string} */ to) => fetch(to).then(() => "connected", () => "refused");
  assert.equal(await page.evaluate(attempt, `${url}/health`), "refused");
  await page.fill("#live-address", "http://example.invalid");
  await page.click("#live-connect");
  await page.getByText("Give an https address").waitFor();
  await page.fill("#live-address", url);
  await Promise.all([page.waitForEvent("load"), page.click("#live-connect")]);
  await page.waitForSelector("#live-key");
  assert.equal(await page.evaluate(attempt, `${url}/health`), "connected");
  assert.equal(await page.evaluate(attempt, portal.url), "refused");

  await page.fill("#live-key", "no such key");
  await page.click("#live-connect");
  await page.waitForSelector("#live-problem");
  await axe(page, "a refused key");
  await page.fill("#live-key", keys.get("auditor") ?? "");
  await page.click("#live-connect");
  await page.getByText(logKey).waitFor();
  await page.click("#live-pin-key");
  await page.click("[data-pin-model]");
  await page.getByText("You pinned this key.").waitFor();
  await axe(page, "connected");

  await decide(0.5);
  await decide(0.7);
  await page.click("#live-follow");
  await page.waitForFunction(() => Number(document.getElementById("live-status")?.getAttribute("data-size")) >= 4);
  await decide(0.9);
  await decide(1.1);
  await page.waitForFunction(() => Number(document.getElementById("live-status")?.getAttribute("data-size")) >= 6, undefined, { timeout: 60_000 });
  // The proofs come after the decisions; then all is proved.
  await page.waitForSelector(".verdict .title:text-is('Valid')", { timeout: 60_000 });
  // The log itself was checked from its tiles, and each checkpoint from the one before.
  const level = (/** @type {string} */ name) => page.locator(`#live-log [data-level="${name}"]`).getAttribute("data-outcome");
  assert.deepEqual([await level("inclusion"), await level("growth")], ["passed", "passed"]);
  assert.equal(await page.locator('#live-log [data-level="content"]').count(), 0);
  assert.ok(fetched.some((path) => path.startsWith("/v1/log/tile/entries/")) && fetched.includes("/v1/log/checkpoint"));
  assert.equal(new Set(fetched.filter((path) => path.includes("/tile/"))).size, fetched.filter((path) => path.includes("/tile/")).length, "no tile twice");
  await page.screenshot({ path: fileURLToPath(new URL("../screenshots/live-following.png", import.meta.url)), fullPage: true });
  await axe(page, "following");
  for (const [name, width] of /** @type {const} */ ([["narrow", 320], ["wide", 1920]])) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: "dark" });
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)) <= 0, `${name}: too wide`);
    await page.screenshot({ path: fileURLToPath(new URL(`../screenshots/live-following-${name}.png`, import.meta.url)), fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.click("#live-stop");
  await page.getByRole("link", { name: "The whole report" }).click();
  await page.waitForSelector('[data-verdict="valid"]');

  // A service that shows another entry than the log signed is found out.
  await page.route("**/v1/log/tile/entries/**", async (route) => {
    const answer = await route.fetch();
    const body = await answer.body();
    body.writeUInt8(body.readUInt8(body.length - 40) ^ 1, body.length - 40);
    await route.fulfill({ response: answer, body });
  });
  await decide(1.3);
  await page.goBack();
  await page.click("#live-fetch");
  await page.waitForSelector('#live-log [data-level="inclusion"][data-outcome="failed"]');
  assert.match((await page.textContent("#live-failures")) ?? "", /does not stand in the signed tree/);
  assert.equal(await page.locator(".chip").getAttribute("class"), "chip invalid");
  await axe(page, "a false entry");
  await page.screenshot({ path: fileURLToPath(new URL("../screenshots/live-false.png", import.meta.url)), fullPage: true });
  assert.deepEqual(foreign, []);
  assert.deepEqual(complaints, []);
  await context.close();
});
