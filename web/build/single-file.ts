/**
 * Puts the built script and style into one page, with a security policy that names both by their SHA-256 and
 * allows nothing else. The page then opens from any host, or from a disk, and an auditor can keep it beside the
 * evidence. Two pages are written: `index.html`, which the browser lets connect to nothing at all, and `live.html`,
 * the same program, which may connect to a clearproof service and narrows its policy to the one that is named.
 */
import { createHash } from "node:crypto";
import type { Plugin } from "vite";

/** What `live.html` may connect to before it narrows this to one service. */
const SERVICES = "https: http://127.0.0.1:* http://localhost:*";

export function singleFile(): Plugin {
  return {
    name: "clearproof:single-file",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const html = bundle["index.html"];
      if (html?.type !== "asset" || typeof html.source !== "string") {
        throw new Error("the build made no index.html");
      }
      const scripts: string[] = [];
      const styles: string[] = [];
      for (const [fileName, output] of Object.entries(bundle)) {
        if (output.type === "chunk") {
          scripts.push(output.code);
        } else if (fileName.endsWith(".css")) {
          styles.push(output.source.toString());
        } else if (fileName !== "index.html") {
          throw new Error(`the page is one file, but the build also made ${fileName}`);
        }
        if (fileName !== "index.html") {
          Reflect.deleteProperty(bundle, fileName);
        }
      }
      const [script, style] = [scripts, styles].map((texts) => texts.join("\n").trim());
      if (scripts.length !== 1 || script === undefined || style === undefined || style === "") {
        throw new Error("the page needs one script and a style");
      }
      if (/<\/script|<!--/i.test(script)) {
        throw new Error("the script holds text that would end it early inside a page");
      }
      const template = html.source;
      const page = (connect: string): string =>
        template
          .replace(/\s*<script [^>]*src=[^>]*><\/script>/g, "")
          .replace(/\s*<link rel="(stylesheet|modulepreload)"[^>]*>/g, "")
          // The replacements are functions: a `$` in the script stays what it is.
          .replace("<head>", () => `<head>\n    <meta http-equiv="Content-Security-Policy" content="${policy(script, style, connect)}" />`)
          .replace("</head>", () => `  <style>${style}</style>\n  </head>`)
          .replace("</body>", () => `  <script type="module">${script}</script>\n  </body>`);
      html.source = page("'none'");
      this.emitFile({ type: "asset", fileName: "live.html", source: page(SERVICES) });
    },
  };
}

function policy(script: string, style: string, connect: string): string {
  return [
    "default-src 'none'",
    `script-src ${hash(script)} 'wasm-unsafe-eval'`,
    `style-src ${hash(style)}`,
    "img-src data:",
    "worker-src blob:",
    `connect-src ${connect}`,
    "form-action 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types clearproof-portal clearproof-worker",
  ].join("; ");
}

function hash(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
