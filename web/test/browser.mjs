/** A real Chromium on the built page, served as any static host would: no headers, no routes. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const PAGES = fileURLToPath(new URL("../dist/", import.meta.url));
/** Pictures of the pages, for people to look at. */
export const SCREENSHOTS = fileURLToPath(new URL("../screenshots/", import.meta.url));
const ENSURE_CHROMIUM = fileURLToPath(new URL("../../scripts/ensure-chromium.sh", import.meta.url));

/** How Chromium is started in tests. */
export const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * @typedef {object} DroppedFile
 * @property {string} name
 * @property {Buffer} bytes
 *
 * @typedef {object} ShownCheck
 * @property {string} name
 * @property {string} outcome
 * @property {string} reason
 * @property {string} inputs
 * @property {string} cost
 *
 * @typedef {object} ShownReport
 * @property {string} verdict
 * @property {string} title
 * @property {string} sentence
 * @property {string[]} notChecked
 * @property {ShownCheck[]} checks
 */

/** The path of a Chromium, installed if there is none. */
export function chromiumPath() {
  return execFileSync(ENSURE_CHROMIUM, { encoding: "utf8" }).trim();
}

/** Starts the browser and the host of the page. */
export async function startPortal() {
  const html = await readFile(`${PAGES}index.html`);
  const live = await readFile(`${PAGES}live.html`);
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://host").pathname;
    const page = path === "/" ? html : path === "/live.html" ? live : undefined;
    response.writeHead(page === undefined ? 404 : 200, { "content-type": "text/html" });
    response.end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => { resolve(undefined); }));
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new Error("the page's host has no port");
  }
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: ARGUMENTS });
  return new Portal(browser, server, `http://127.0.0.1:${address.port.toString()}/`);
}

/** The running browser and host; each auditor has storage of their own. */
export class Portal {
  /**
   * @param {import("playwright-core").Browser} browser
   * @param {import("node:http").Server} server
   * @param {string} url
   */
  constructor(browser, server, url) {
    this.browser = browser;
    this.server = server;
    this.url = url;
  }

  /**
   * A fresh profile that opens the page.
   * @param {string} [path]
   * @param {import("playwright-core").BrowserContextOptions} [options]
   */
  async auditor(path = "", options = {}) {
    const auditor = new Auditor(await this.browser.newContext({ bypassCSP: false, ...options }), this.url);
    await auditor.open(path);
    return auditor;
  }

  /**
   * One auditor's story, at whose end the page must have asked nobody else and complained of nothing.
   * @param {(auditor: Auditor) => Promise<void>} story
   * @param {string} [path]
   */
  async asAuditor(story, path = "") {
    const auditor = await this.auditor(path);
    try {
      await story(auditor);
      assert.deepEqual(auditor.misbehaviour(), { foreignRequests: [], complaints: [] });
    } finally {
      await auditor.leave();
    }
  }

  async stop() {
    await this.browser.close();
    this.server.close();
  }
}

/** One person in front of the page, and everything the page did meanwhile. */
export class Auditor {
  /** @type {string[]} addresses that the page or its worker asked for */
  requests = [];
  /** @type {string[]} security policy violations, console errors and uncaught exceptions */
  complaints = [];
  /** @type {import("playwright-core").Page | undefined} */
  #page;

  /**
   * @param {import("playwright-core").BrowserContext} context
   * @param {string} url
   */
  constructor(context, url) {
    this.context = context;
    this.url = url;
    context.on("request", (request) => this.requests.push(request.url()));
    context.on("console", (message) => {
      if (message.type() === "error") {
        this.complaints.push(message.text());
      }
    });
    context.on("weberror", (error) => this.complaints.push(error.error().message));
  }

  /** The open page. */
  get page() {
    if (this.#page === undefined) {
      throw new Error("the auditor has no page open");
    }
    return this.#page;
  }

  /**
   * Opens the page, or opens it again as on a later visit.
   * @param {string} [path]
   */
  async open(path = "") {
    await this.#page?.close();
    this.#page = await this.context.newPage();
    await this.#page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await this.#page.goto(`${this.url}${path}`);
    await this.#page.waitForSelector("html[data-ready]");
  }

  /**
   * Goes to one of the pages by its address.
   * @param {string} hash
   */
  async go(hash) {
    await this.page.evaluate((to) => { location.hash = to; }, hash);
    await this.page.waitForTimeout(50);
  }

  /**
   * A picture of the whole page, for people to look at.
   * @param {string} name
   */
  async shot(name) {
    await this.page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
  }

  /**
   * Gives evidence to the page and reads the report that it shows.
   * @param {...DroppedFile} files
   */
  async check(...files) {
    await this.give(...files);
    return this.report();
  }

  /**
   * Gives files to the page, of which none needs to be evidence, and waits until it has judged them.
   * @param {...DroppedFile} files
   */
  async give(...files) {
    const before = await this.page.evaluate(() => document.querySelector("[data-generation]")?.getAttribute("data-generation") ?? "0");
    await this.page.setInputFiles("#evidence-input", files.map(payload));
    await this.page.waitForFunction((old) => (document.querySelector("#result:not([aria-busy])")?.getAttribute("data-generation") ?? old) !== old, before);
  }

  /**
   * Pins trust files, and waits until each is listed or refused.
   * @param {...DroppedFile} files
   */
  async pin(...files) {
    const before = await this.page.locator("#trust-list li").count();
    await this.page.setInputFiles("#trust-input", files.map(payload));
    await this.page.waitForFunction(
      (n) => document.querySelectorAll("#trust-list li").length > n || document.querySelector("#trust-problem"),
      before,
    );
  }

  /** @param {boolean} allowed */
  async allowDevelopmentSetups(allowed) {
    await this.page.setChecked("#allow-dev", allowed);
  }

  /** The report on the page, once there is one. @returns {Promise<ShownReport>} */
  async report() {
    await this.page.waitForSelector("#result:not([aria-busy]) [data-verdict]");
    return this.page.evaluate(() => {
      /** @param {ParentNode | null} parent @param {string} selector */
      const text = (parent, selector) => parent?.querySelector(selector)?.textContent ?? "";
      const article = document.querySelector("[data-verdict]");
      return {
        verdict: article?.getAttribute("data-verdict") ?? "",
        title: text(article, ".title"),
        sentence: text(article, ".sentence").trim().replace(/\s+/g, " "),
        notChecked: [...document.querySelectorAll(".unchecked li")].map((item) => item.textContent),
        checks: [...document.querySelectorAll("[data-check]")].map((item) => ({
          name: item.getAttribute("data-check") ?? "",
          outcome: item.getAttribute("data-outcome") ?? "",
          reason: text(item, ".reason"),
          inputs: text(item, ".inputs"),
          cost: text(item, ".cost"),
        })),
      };
    });
  }

  /** Asserts nothing by itself: what left the origin, and what the browser complained of. */
  misbehaviour() {
    const own = (/** @type {string} */ url) =>
      url === this.url || url.startsWith(`blob:${this.url}`) || url.startsWith("data:");
    return { foreignRequests: this.requests.filter((url) => !own(url)), complaints: this.complaints };
  }

  async leave() {
    await this.context.close();
  }
}

/** @param {DroppedFile} file */
function payload(file) {
  return { name: file.name, mimeType: "application/octet-stream", buffer: file.bytes };
}
