/** The page's end of the worker. */

import source from "virtual:desk-worker";
import type { Asked, DeskProgress, Kind, Questions, Told } from "../worker/messages.js";

/** Why the desk gave no answer. */
export class DeskError extends Error {
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

interface Pending {
  readonly resolve: (answer: Questions[Kind]["answer"]) => void;
  readonly reject: (error: DeskError) => void;
  readonly progress: ((progress: DeskProgress) => void) | undefined;
}

export class DeskClient {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #next = 0;

  constructor() {
    this.#worker = new Worker(trustedUrl(source), { type: "module", name: "clearproof-desk" });
    this.#worker.addEventListener("message", (event: MessageEvent<Told>) => {
      this.#told(event.data);
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const { reject } of this.#pending.values()) {
        reject(new DeskError("worker-unavailable", event.message));
      }
      this.#pending.clear();
    });
  }

  ask<K extends Kind>(kind: K, question: Questions[K]["ask"], progress?: (progress: DeskProgress) => void): Promise<Questions[K]["answer"]> {
    return new Promise<Questions[Kind]["answer"]>((resolve, reject) => {
      const id = this.#next++;
      this.#pending.set(id, { resolve, reject, progress });
      const asked = { ...question, kind, id } as unknown as Asked;
      this.#worker.postMessage(asked);
    });
  }

  #told(told: Told): void {
    const asked = this.#pending.get(told.id);
    if ("progress" in told) {
      asked?.progress?.(told.progress);
      return;
    }
    this.#pending.delete(told.id);
    if ("answer" in told) {
      asked?.resolve(told.answer);
    } else {
      asked?.reject(new DeskError(told.code, told.detail));
    }
  }
}

/** The part of Trusted Types that is used; TypeScript's DOM library has none of it yet. */
interface TrustedTypesFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (candidate: string) => string },
  ): { createScriptURL(candidate: string): string };
}

/** A worker started from text inherits the page's security policy; one from an address would not. */
function trustedUrl(text: string): string {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const factory = (globalThis as { readonly trustedTypes?: TrustedTypesFactory }).trustedTypes;
  const policy = factory?.createPolicy("clearproof-portal", {
    createScriptURL: (candidate) => {
      if (candidate !== url) {
        throw new TypeError("the policy is for one worker, the portal's own");
      }
      return candidate;
    },
  });
  return policy?.createScriptURL(url) ?? url;
}
