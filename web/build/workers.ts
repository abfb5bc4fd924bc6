/**
 * `virtual:desk-worker` and `virtual:training-worker`: the texts of the portal's workers, each with its WebAssembly
 * module in it. A worker started from text inherits the page's security policy, and a page of one file has no other
 * place for it. The second one stays a text until there is a training certificate to check.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Plugin } from "vite";

const resolve = createRequire(import.meta.url).resolve;
const entry = (name: string): string => fileURLToPath(new URL(`../portal/src/worker/${name}`, import.meta.url));
const WORKERS: Readonly<Record<string, { readonly entry: string; readonly alias: Record<string, string> }>> = {
  "virtual:desk-worker": { entry: entry("main.ts"), alias: { "virtual:verifier-wasm": resolve("@clearproof/verifier/verifier.wasm") } },
  "virtual:training-worker": { entry: entry("training.ts"), alias: { "virtual:training-wasm": resolve("@clearproof/verifier/training.wasm") } },
};

export function workers(): Plugin {
  return {
    name: "clearproof:workers",
    resolveId: (id) => (Object.hasOwn(WORKERS, id) ? `\0${id}` : undefined),
    async load(id) {
      const worker = id.startsWith("\0") ? WORKERS[id.slice(1)] : undefined;
      if (worker === undefined) {
        return undefined;
      }
      const built = await build({
        entryPoints: [worker.entry],
        bundle: true,
        minify: true,
        format: "esm",
        target: "es2022",
        write: false,
        metafile: true,
        alias: worker.alias,
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
