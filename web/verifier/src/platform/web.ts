/** Workers of browsers (and of runtimes with the same interface). */

import type { WorkerEvents, WorkerHandle } from "./types.js";
export type { WorkerHandle } from "./types.js";

/** How many computations may run at once. */
export function processors(): number {
  return typeof navigator === "undefined" ? 1 : navigator.hardwareConcurrency;
}

/** Whether this thread draws a page, which must not wait for a verification. */
export function drawsPage(): boolean {
  return typeof document !== "undefined";
}

export function startWorker(source: string, make: (() => Worker) | undefined, events: WorkerEvents): WorkerHandle {
  const worker = make === undefined ? fromSource(source) : make();
  worker.addEventListener("message", (event: MessageEvent<unknown>) => {
    events.message(event.data);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    events.error(event.message || "The worker could not be started; a security policy may forbid it.");
  });
  worker.addEventListener("messageerror", () => {
    events.error("The worker gave an answer that cannot be read.");
  });
  return {
    post: (message, transfer) => {
      worker.postMessage(message, [...transfer]);
    },
    setBusy: () => undefined,
    terminate: () => {
      worker.terminate();
    },
  };
}

/** The part of Trusted Types that is used; TypeScript's DOM library has none of it yet. */
interface TrustedTypesFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (candidate: string) => string },
  ): { createScriptURL(candidate: string): string };
}

let trustedUrl: string | undefined;

/**
 * A worker started from text inherits the page's security policy; one from an address would not.
 * The policy must allow `worker-src blob:` and, with Trusted Types, a policy named `clearproof-worker`.
 */
function fromSource(source: string): Worker {
  trustedUrl ??= trusted(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  return new Worker(trustedUrl, { name: "clearproof-verifier" });
}

function trusted(url: string): string {
  const factory = (globalThis as { readonly trustedTypes?: TrustedTypesFactory }).trustedTypes;
  const policy = factory?.createPolicy("clearproof-worker", {
    createScriptURL: (candidate) => {
      if (candidate !== url) {
        throw new TypeError("the policy is for one worker, the verifier's own");
      }
      return candidate;
    },
  });
  return policy?.createScriptURL(url) ?? url;
}
