/**
 * `virtual:desk-worker`: the text of the portal's worker, with the verifier's WebAssembly module in it. A worker
 * started from text inherits the page's security policy, and a page of one file has no other place for it.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Plugin } from "vite";

const ENTRY = fileURLToPath(new URL("../portal/src/worker/main.ts", import.meta.url));
const WASM = createRequire(import.meta.url).resolve("@clearproof/verifier/verifier.wasm");
const ID = "virtual:desk-worker";

export function deskWorker(): Plugin {
  return {
    name: "clearproof:desk-worker",
    resolveId: (id) => (id === ID ? `\0${ID}` : undefined),
    async load(id) {
      if (id !== `\0${ID}`) {
        return undefined;
      }
      const built = await build({
        entryPoints: [ENTRY],
        bundle: true,
        minify: true,
        format: "esm",
        target: "es2022",
        write: false,
        metafile: true,
        alias: { "virtual:verifier-wasm": WASM },
        loader: { ".wasm": "binary" },
      });
      const [script] = built.outputFiles;
      if (script === undefined) {
        throw new Error("esbuild made no worker");
      }
      for (const input of Object.keys(built.metafile.inputs)) {
        this.addWatchFile(input);
      }
      return `export default ${JSON.stringify(script.text)};`;
    },
  };
}
