/** Workers of Node and Deno. */

import { availableParallelism } from "node:os";
import { Worker as NodeWorker } from "node:worker_threads";
import type { WorkerEvents, WorkerHandle } from "./types.js";
export type { WorkerHandle } from "./types.js";

/** How many computations may run at once. */
export function processors(): number {
  return availableParallelism();
}

/** Whether this thread draws a page, which must not wait for a verification. */
export function drawsPage(): boolean {
  return false;
}

/** What the script expects of a worker's global scope. */
const SCOPE = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => globalThis.onmessage({ data }));
`;

export function startWorker(source: string, make: (() => Worker) | undefined, events: WorkerEvents): WorkerHandle {
  if (make !== undefined) {
    throw new TypeError("the option `worker` is for browsers");
  }
  const worker = new NodeWorker(SCOPE + source, { eval: true, name: "clearproof-verifier" });
  worker.on("message", events.message);
  worker.on("messageerror", () => {
    events.error("The worker gave an answer that cannot be read.");
  });
  worker.on("error", (error: Error) => {
    events.error(error.message);
  });
  worker.on("exit", () => {
    events.error("The worker ended.");
  });
  return {
    post: (message, transfer) => {
      worker.postMessage(message, [...transfer]);
    },
    setBusy: (busy) => {
      if (busy) {
        worker.ref();
      } else {
        worker.unref();
      }
    },
    terminate: () => {
      void worker.terminate();
    },
  };
}
