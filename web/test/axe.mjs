/** axe-core on a page, with every rule of WCAG 2.2 AA and its best practices. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Asserts that it finds nothing. @param {import("playwright-core").Page} page @param {string} where */
export async function axe(page, where) {
  await page.waitForTimeout(80);
  // Not by a script element: the page's policy lets none in.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = /** @type {{ axe: { run: (options: object) => Promise<{ violations: { id: string, help: string, nodes: { target: unknown, failureSummary?: string }[] }[] }> } }} */ (/** @type {unknown} */ (globalThis));
    const { violations } = await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${JSON.stringify(nodes.slice(0, 2).map(({ target, failureSummary }) => [target, failureSummary]))}`);
  });
  assert.deepEqual(found, [], where);
}
