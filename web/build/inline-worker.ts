/**
 * The page is one file: the worker is bundled into one script and put into the page as a string, and
 * the WebAssembly module into the worker in base64. So the page needs no connection at all, and its
 * security policy can forbid every one.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";

const WORKER = fileURLToPath(new URL("../src/worker.ts", import.meta.url));
const WASM = fileURLToPath(new URL("../src/pkg/clearproof_verifier_bg.wasm", import.meta.url));

/** `virtual:verifier-wasm`: the module in base64. */
function inlineWasm(): Plugin {
  return {
    name: "clearproof:inline-wasm",
    resolveId: (id) => (id === "virtual:verifier-wasm" ? `\0${id}` : undefined),
    async load(id) {
      if (id !== "\0virtual:verifier-wasm") {
        return undefined;
      }
      this.addWatchFile(WASM);
      return `export default ${JSON.stringify((await readFile(WASM)).toString("base64"))};`;
    },
  };
}

/** `virtual:worker-source`: src/worker.ts and all it imports, as the text of one script. */
export function inlineWorker(): Plugin {
  return {
    name: "clearproof:inline-worker",
    resolveId: (id) => (id === "virtual:worker-source" ? `\0${id}` : undefined),
    async load(id) {
      if (id !== "\0virtual:worker-source") {
        return undefined;
      }
      this.addWatchFile(WORKER);
      const result = await build({
        configFile: false,
        logLevel: "warn",
        plugins: [inlineWasm()],
        build: {
          write: false,
          target: "es2023",
          lib: { entry: WORKER, formats: ["iife"], name: "worker" },
        },
      });
      const output = Array.isArray(result) ? result[0] : result;
      if (output === undefined || !("output" in output)) {
        throw new Error("the worker's build gave no output");
      }
      const [chunk] = output.output;
      if (output.output.some((other) => other !== chunk)) {
        throw new Error("the worker is one script, but its build made more files than one");
      }
      return `export default ${JSON.stringify(chunk.code)};`;
    },
  };
}
