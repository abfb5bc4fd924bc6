/** The one place where evidence is judged: a worker around the WebAssembly verifier. */

import { Verifier, describeTrust, initSync, version } from "./pkg/clearproof_verifier.js";
import wasmBase64 from "virtual:verifier-wasm";
import type { Request, Response } from "./messages.js";

/** Remembers the models whose registration it checked; a worker that is started anew has seen none. */
let verifier: Verifier | undefined;

function answer(request: Request): Response {
  try {
    if (verifier === undefined) {
      initSync({ module: Uint8Array.from(atob(wasmBase64), (c) => c.charCodeAt(0)) });
      verifier = new Verifier();
    }
    switch (request.kind) {
      case "verify": {
        const start = performance.now();
        const reports = verifier.verify(request.files, request.options);
        return { kind: "reports", id: request.id, reports, milliseconds: performance.now() - start };
      }
      case "describe":
        return { kind: "trust", id: request.id, trust: describeTrust(request.file) };
      case "version":
        return { kind: "version", id: request.id, version: version() };
    }
  } catch (error) {
    // The verifier answers bad evidence with a verdict. An exception is a defect of ours.
    return { kind: "broken", id: request.id, detail: error instanceof Error ? error.message : String(error) };
  }
}

self.addEventListener("message", (event: MessageEvent<Request>) => {
  self.postMessage(answer(event.data));
});
