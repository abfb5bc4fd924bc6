/** `virtual:report-style`: the style of exported reports, and its hash for their security policy. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const STYLE = fileURLToPath(new URL("../portal/src/report/style.css", import.meta.url));
const ID = "virtual:report-style";

export function reportStyle(): Plugin {
  return {
    name: "clearproof:report-style",
    resolveId: (id) => (id === ID ? `\0${ID}` : undefined),
    load(id) {
      if (id !== `\0${ID}`) {
        return undefined;
      }
      this.addWatchFile(STYLE);
      const text = readFileSync(STYLE, "utf8").trim();
      const hash = `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
      return `export default ${JSON.stringify({ text, hash })};`;
    },
  };
}
