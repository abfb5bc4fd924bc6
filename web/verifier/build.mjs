/**
 * Builds the package into dist: the worker as one script, the module in base64, then all with tsc.
 * Needs `npm run wasm` before.
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const MODULES = { pkg: "clearproof_verifier", "training-pkg": "clearproof_training" };

if (!existsSync(at("src/pkg/clearproof_verifier_bg.wasm"))) {
  throw new Error("src/pkg holds no module; run 'npm run wasm' in web/ first");
}
rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("src/generated"), { recursive: true });

const worker = await build({
  entryPoints: [at("src/worker-script.ts")],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  write: false,
  // wasm-bindgen's own way of finding the module; here the module is always handed over.
  define: { "import.meta.url": '""' },
});
const [script] = worker.outputFiles;
if (script === undefined) {
  throw new Error("the worker's build gave no script");
}
const constant = (/** @type {string} */ text) => `const text: string = ${JSON.stringify(text)};\nexport default text;\n`;
writeFileSync(at("src/generated/worker-source.ts"), constant(script.text));
writeFileSync(
  at("src/generated/wasm-base64.ts"),
  constant(readFileSync(at("src/pkg/clearproof_verifier_bg.wasm")).toString("base64")),
);

execFileSync(process.execPath, [at("../node_modules/typescript/bin/tsc"), "-p", at("tsconfig.json")], { stdio: "inherit" });
for (const [folder, name] of Object.entries(MODULES)) {
  mkdirSync(at(`dist/${folder}`), { recursive: true });
  for (const file of [`${name}.js`, `${name}.d.ts`, `${name}_bg.wasm`]) {
    copyFileSync(at(`src/${folder}/${file}`), at(`dist/${folder}/${file}`));
  }
  writeFileSync(
    at(`dist/${folder}/${name}_bg.wasm.d.ts`),
    "/** What a bundler makes of the module: its address, its bytes or the compiled module, as it was told to. */\ndeclare const wasm: unknown;\nexport default wasm;\n",
  );
}
writeFileSync(at("dist/worker-script.js"), script.text);
for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  copyFileSync(at(`../../${name}`), at(name));
}
