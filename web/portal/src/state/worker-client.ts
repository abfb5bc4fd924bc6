/** The page's end of a worker. */

/** Why a worker gave no answer. */
export class DeskError extends Error {
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** What a worker can be asked: by kind, the question and its answer. */
type Asks<Q> = { readonly [K in keyof Q]: { readonly ask: object; readonly answer: unknown } };

/** What a worker says, each time with the number of the question. */
export type Told<Progress> =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly code: string; readonly detail: string }
  | { readonly id: number; readonly progress: Progress };

interface Pending<Progress> {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: DeskError) => void;
  readonly progress: ((progress: Progress) => void) | undefined;
}

export class WorkerClient<Q extends Asks<Q>, Progress = never> {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending<Progress>>();
  #next = 0;

  constructor(source: string, name: string) {
    this.#worker = new Worker(trustedUrl(source), { type: "module", name });
    this.#worker.addEventListener("message", (event: MessageEvent<Told<Progress>>) => {
      this.#told(event.data);
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#refuse("worker-unavailable", event.message);
    });
  }

  ask<K extends keyof Q>(kind: K, question: Q[K]["ask"], progress?: (progress: Progress) => void): Promise<Q[K]["answer"]> {
    return new Promise<unknown>((resolve, reject) => {
      const id = this.#next++;
      this.#pending.set(id, { resolve, reject, progress });
      this.#worker.postMessage({ ...question, kind, id });
    });
  }

  /** Ends the worker, whatever it does. */
  end(): void {
    this.#worker.terminate();
    this.#refuse("aborted", "");
  }

  #refuse(code: string, detail: string): void {
    for (const { reject } of this.#pending.values()) {
      reject(new DeskError(code, detail));
    }
    this.#pending.clear();
  }

  #told(told: Told<Progress>): void {
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

/** Addresses of the portal's own workers. */
const own = new Set<string>();
const policy = (globalThis as { readonly trustedTypes?: TrustedTypesFactory }).trustedTypes?.createPolicy("clearproof-portal", {
  createScriptURL: (candidate) => {
    if (!own.has(candidate)) {
      throw new TypeError("the policy is for the portal's own workers");
    }
    return candidate;
  },
});

/** A worker started from text inherits the page's security policy; one from an address would not. */
function trustedUrl(text: string): string {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  own.add(url);
  return policy?.createScriptURL(url) ?? url;
}
