/** The package as a user gets it: packed by npm, installed into a folder of its own. */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const VERIFIER = fileURLToPath(new URL("../verifier/", import.meta.url));
const PACKAGE = fileURLToPath(new URL("./package/", import.meta.url));

/** A folder with the package installed, and the programs of test/package in it. */
export function installPacked() {
  const folder = mkdtempSync(join(tmpdir(), "clearproof-packed-"));
  const run = (/** @type {string} */ cwd, /** @type {string[]} */ ...args) =>
    execFileSync("npm", args, { cwd, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  run(VERIFIER, "pack", "--ignore-scripts", "--silent", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) {
    throw new Error("npm pack made no tarball");
  }
  writeFileSync(join(folder, "package.json"), '{ "name": "user", "private": true, "type": "module" }\n');
  run(folder, "install", "--no-audit", "--no-fund", "--offline", "--silent", `./${tarball}`);
  for (const name of readdirSync(PACKAGE)) {
    copyFileSync(join(PACKAGE, name), join(folder, name));
  }
  return {
    folder,
    tarball: join(folder, tarball),
    /** @param {"index" | "inline" | "worker"} entry @returns {Promise<typeof import("@clearproof/verifier")>} */
    load: (entry) =>
      import(pathToFileURL(join(folder, "node_modules/@clearproof/verifier/dist", `${entry}.js`)).href),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
