/**
 * `virtual:desk-worker` and `virtual:training-worker`: the texts of the portal's workers, each with its WebAssembly
 * module in it. A worker started from text inherits the page's security policy, and a page of one file has no other
 * place for it. The second one stays a text until there is a training certificate to check.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type Plugin as EsbuildPlugin, build } from "esbuild";
import type { Plugin } from "vite";

const resolve = createRequire(import.meta.url).resolve;
const entry = (name: string): string => fileURLToPath(new URL(`../portal/src/worker/${name}`, import.meta.url));
const WORKERS: Readonly<Record<string, string>> = {
  "virtual:desk-worker": entry("main.ts"),
  "virtual:training-worker": entry("training.ts"),
};
const MODULES: Readonly<Record<string, string>> = {
  "virtual:verifier-wasm": resolve("@clearproof/verifier/verifier.wasm"),
  "virtual:training-wasm": resolve("@clearproof/verifier/training.wasm"),
};

/** The modules as text: base64 of their gzip, which the same bytes always give. */
const packed: EsbuildPlugin = {
  name: "clearproof:packed-wasm",
  setup: (esbuild) => {
    esbuild.onResolve({ filter: /^virtual:\w+-wasm$/ }, ({ path }) => ({ path, namespace: "packed" }));
    esbuild.onLoad({ filter: /./, namespace: "packed" }, ({ path }) => {
      const file = MODULES[path] ?? "";
      return { contents: gzipSync(readFileSync(file), { level: 9 }).toString("base64"), loader: "text", watchFiles: [file] };
    });
  },
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
        entryPoints: [worker],
        bundle: true,
        minify: true,
        format: "esm",
        target: "es2022",
        write: false,
        metafile: true,
        plugins: [packed],
      });
      const [script] = built.outputFiles;
      if (script === undefined) {
        throw new Error("esbuild made no worker");
      }
      for (const input of [...Object.keys(built.metafile.inputs).filter((name) => !name.startsWith("packed:")), ...Object.values(MODULES)]) {
        this.addWatchFile(input);
      }
      return `export default ${JSON.stringify(script.text)};`;
    },
  };
}
