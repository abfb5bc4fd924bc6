/** Whoever looks at the portal: axe-core on every page and state, widths, themes, languages, the keyboard; and pictures. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axe } from "./axe.mjs";
import { SCREENSHOTS, startPortal } from "./browser.mjs";
import { desk } from "./desk.mjs";
import { deployed } from "./training-files.mjs";
import { flip } from "./vectors.mjs";

/** @type {import("./browser.mjs").Portal} */
let portal;
before(async () => {
  portal = await startPortal();
});
after(async () => {
  await portal.stop();
});

/** @typedef {import("./browser.mjs").Auditor} Auditor */

/** Pages and states: a name, and how one comes there from a page with the desk's evidence. @type {readonly [string, (auditor: Auditor) => Promise<unknown>][]} */
const STATES = [
  ["report", (auditor) => auditor.go("#/report")],
  ["records", (auditor) => auditor.go("#/records")],
  ["record", (auditor) => auditor.go("#/records/50")],
  ["record-missing", (auditor) => auditor.go("#/records/999")],
  ["overview", async (auditor) => {
    await auditor.go("#/overview");
    await auditor.page.waitForSelector(".tiles");
    await auditor.page.evaluate(() => { document.querySelector(".chart details")?.setAttribute("open", ""); });
  }],
  ["models", (auditor) => auditor.go("#/models")],
  ["break", async (auditor) => {
    await auditor.go("#/break");
    await auditor.page.click("input[value=decision]");
    await auditor.page.click("#break-go");
    await auditor.page.waitForSelector('#break-result[data-verdict="invalid"]');
  }],
  ["verify-all", async (auditor) => {
    await auditor.go("#/verify-all");
    await auditor.page.click("#again-all");
    await auditor.page.waitForSelector("#again-result");
  }],
  ["live", (auditor) => auditor.go("#/live")],
  ["report-training", async (auditor) => {
    await auditor.go("#/report");
    await auditor.check(deployed.certificate, deployed.decisions, desk.secondVisit, deployed.roster);
    await auditor.page.waitForSelector('[data-other="roster"]');
  }],
  ["training-invalid", (auditor) => auditor.go("#/training")],
  ["training", async (auditor) => {
    await auditor.pin(deployed.roster);
    await auditor.allowDevelopmentSetups(true);
    await auditor.page.waitForSelector('[data-training="valid"]');
    await auditor.page.check("input[value=signature]");
    await auditor.page.click("#break-go");
    await auditor.page.waitForSelector('#break-result[data-verdict="invalid"]');
  }],
];

/** @param {Auditor} auditor */
async function pinned(auditor) {
  await auditor.pin(desk.first);
  await auditor.pin(desk.second);
  await auditor.pin(desk.logKey);
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  describe(`axe-core finds nothing, ${colorScheme}`, () => {
    /** @type {Auditor} */
    let auditor;
    before(async () => {
      auditor = await portal.auditor("", { colorScheme, viewport: { width: 1280, height: 900 } });
    });
    after(async () => {
      await auditor.leave();
    });

    test("empty pages", async () => {
      for (const page of ["report", "records", "records/3", "overview", "models", "training", "break", "verify-all", "live"]) {
        await auditor.go(`#/${page}`);
        await axe(auditor.page, page);
        await auditor.shot(`empty-${page.replace("/", "-")}-${colorScheme}`);
      }
    });

    test("verdicts", async () => {
      await auditor.go("#/report");
      await auditor.check(desk.firstVisit);
      await axe(auditor.page, "cannot tell");
      await auditor.shot(`report-unknown-${colorScheme}`);
      await auditor.check(flip(desk.firstVisit, 40_000), { name: "cat.png", bytes: Buffer.from("cat") }, desk.first);
      await axe(auditor.page, "invalid");
      await auditor.shot(`report-invalid-${colorScheme}`);
      await auditor.page.setInputFiles("#trust-input", { name: "cat.png", mimeType: "", buffer: Buffer.from("cat") });
      await auditor.page.waitForSelector("#trust-problem");
      await axe(auditor.page, "a refused pin");
      await pinned(auditor);
      await auditor.check(desk.secondVisit);
      assert.equal((await auditor.report()).verdict, "valid");
    });

    for (const [name, reach] of STATES) {
      test(name, async () => {
        await reach(auditor);
        await axe(auditor.page, name);
        await auditor.shot(`${name}-${colorScheme}`);
      });
    }
  });
}

for (const width of [320, 768, 1920, 3840]) {
  test(`nothing is cut off at ${width.toString()} px`, async () => {
    const auditor = await portal.auditor("", { viewport: { width, height: width === 320 ? 640 : 1000 }, colorScheme: width === 768 ? "dark" : "light" });
    await pinned(auditor);
    await auditor.check(desk.secondVisit);
    for (const [name, reach] of STATES) {
      await reach(auditor);
      const wide = await auditor.page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        const guilty = [...document.querySelectorAll("main *")].filter((element) => element.getBoundingClientRect().right > clientWidth + 1 && element.closest(".scroll, .table-view, pre, nav") === null);
        return { more: scrollWidth - clientWidth, guilty: guilty.slice(0, 3).map((element) => `${element.tagName}.${element.getAttribute("class") ?? ""}`) };
      });
      assert.ok(wide.more <= 0, `${name}: ${JSON.stringify(wide)}`);
      await auditor.shot(`${name}-${width.toString()}`);
    }
    await auditor.leave();
  });
}

for (const locale of ["en-XA", "ar-XB"]) {
  test(`nothing is hard-coded: ${locale}`, async () => {
    const auditor = await portal.auditor(`?lang=${locale}`, { viewport: { width: 1100, height: 900 } });
    assert.equal(await auditor.page.getAttribute("html", "dir"), locale === "ar-XB" ? "rtl" : "ltr");
    await auditor.check(desk.firstVisit);
    await pinned(auditor);
    await auditor.check(desk.secondVisit);
    for (const [name, reach] of STATES) {
      await reach(auditor);
      const plain = await auditor.page.evaluate(() => {
        /** @type {string[]} */
        const found = [];
        // What is no word needs no catalogue, and data-raw marks what comes from files and the verifier.
        const word = /[A-Za-z]{2,}/;
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
          const text = node.textContent ?? "";
          const parent = node.parentElement;
          if (word.test(text) && !text.includes("⟦") && parent?.closest("[data-raw], script, style") === null) {
            found.push(text.trim());
          }
        }
        for (const element of document.querySelectorAll("[aria-label], [alt]")) {
          const label = element.getAttribute("aria-label") ?? element.getAttribute("alt") ?? "";
          if (word.test(label) && !label.includes("⟦") && element.closest("[data-raw], .report, .model") === null) {
            found.push(label);
          }
        }
        return found;
      });
      assert.deepEqual(plain, [], name);
      const wide = await auditor.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${name} is ${wide.toString()} px too wide`);
      await auditor.shot(`${name}-${locale}`);
    }
    await auditor.leave();
  });
}

test("axe-core finds nothing where the browser lacks something, and where a verification is under way", async () => {
  const auditor = await portal.auditor("", { viewport: { width: 1280, height: 900 } });
  const old = await auditor.context.newPage();
  await old.addInitScript(() => { Reflect.deleteProperty(globalThis, "Worker"); });
  await old.goto(portal.url);
  await old.waitForSelector("html[data-ready]");
  await axe(old, "unsupported");
  await old.screenshot({ path: `${SCREENSHOTS}unsupported.png` });
  await old.close();
  const slow = Array.from({ length: 60 }, (_, index) => ({ name: `${index.toString()}.evidence`, mimeType: "", buffer: desk.secondVisit.bytes }));
  await pinned(auditor);
  await auditor.page.setInputFiles("#evidence-input", slow);
  await auditor.page.waitForSelector(".progress");
  await axe(auditor.page, "judging");
  await auditor.report();
  await axe(auditor.page, "many files");
  await auditor.shot("report-many");
  await auditor.go("#/verify-all");
  await auditor.page.click("#again-all");
  await auditor.page.waitForSelector("#again-cancel");
  await axe(auditor.page, "verifying again");
  await auditor.page.click("#again-cancel");
  await auditor.page.waitForSelector("#again-result");
  await axe(auditor.page, "cancelled");
  await auditor.shot("verify-all-cancelled");
  await auditor.leave();
});

test("on a narrow page the own page's link is in view", async () => {
  const auditor = await portal.auditor("", { viewport: { width: 320, height: 640 } });
  for (const page of ["live", "report", "training"]) {
    await auditor.go(`#/${page}`);
    const { left, right } = await auditor.page.evaluate(() => document.querySelector(".top nav [aria-current]")?.getBoundingClientRect() ?? new DOMRect());
    assert.ok(left >= 0 && right <= 320 && right > left, `${page}: ${left.toString()} to ${right.toString()}`);
  }
  await auditor.leave();
});

test("texts of charts and drawings are as large as others, on narrow and wide pages", async () => {
  for (const width of [320, 3840]) {
    const auditor = await portal.auditor("", { viewport: { width, height: 900 } });
    await pinned(auditor);
    await auditor.check(desk.secondVisit);
    for (const hash of ["#/overview", "#/records/50", "#/models"]) {
      await auditor.go(hash);
      await auditor.page.waitForSelector("main svg[role=img] text");
      const small = await auditor.page.evaluate(() => [...document.querySelectorAll("main svg[role=img] text")].filter((text) => text.getBoundingClientRect().height < 9).map((text) => text.textContent));
      assert.deepEqual(small, [], `${hash} at ${width.toString()} px`);
    }
    await auditor.leave();
  }
});

test("the theme is chosen by hand and kept", async () => {
  const auditor = await portal.auditor("", { colorScheme: "light" });
  const ground = () => auditor.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  const button = auditor.page.getByRole("button", { name: /^Colours/ });
  await button.click();
  await button.click();
  assert.notEqual(await ground(), light);
  await auditor.open();
  assert.notEqual(await ground(), light);
  await auditor.leave();
});

test("nothing moves for those who asked for that", async () => {
  const auditor = await portal.auditor("", { reducedMotion: "reduce" });
  await auditor.check(desk.firstVisit);
  const moving = await auditor.page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await auditor.leave();
});

test("evidence is attacked, and records are filtered, by the keyboard alone", async () => {
  const auditor = await portal.auditor();
  const { page } = auditor;
  await pinned(auditor);
  await auditor.check(desk.secondVisit);
  const until = async (/** @type {string} */ selector) => {
    for (let press = 0; press < 60; press += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) === true, selector)) {
        return;
      }
    }
    assert.fail(`${selector} is not reached`);
  };
  await auditor.go("#/break");
  await page.waitForSelector("input[value=remove]");
  await until("input[name=tampering]");
  for (const next of ["decision", "swap", "remove"]) {
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.isChecked(`input[value=${next}]`), true, next);
  }
  await until("#break-at");
  await page.keyboard.type("7");
  await until("#break-go");
  await page.keyboard.press("Enter");
  await page.waitForSelector('#break-result[data-what=remove][data-verdict="invalid"]');
  await auditor.go("#/records");
  await until("#filter-text");
  await page.keyboard.type("FJRD");
  await page.waitForFunction(() => document.getElementById("records-count")?.textContent.includes("of 64 records"));
  await until("form.filters button");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("records-count")?.textContent === "64 records");
  await auditor.leave();
});

test("a page is reached, read and left by the keyboard alone", async () => {
  const auditor = await portal.auditor();
  const { page } = auditor;
  await pinned(auditor);
  await auditor.check(desk.secondVisit);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "result");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const focus = () => page.evaluate(() => document.activeElement?.textContent.trim() ?? "");
  // To the records, and into one.
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Records" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("#records-view");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "content");
  for (let press = 0; press < 60 && !/^\d+$/.test(await focus()); press += 1) {
    await page.keyboard.press("Tab");
  }
  assert.equal(await focus(), "2");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#/records/2");
  await page.goBack();
  await page.waitForFunction(() => location.hash === "#/records");
  await auditor.leave();
});
