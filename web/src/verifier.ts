/** Asks the worker, and starts a new one when the verifier inside it broke. */

import workerSource from "virtual:worker-source";
import type { EvidenceFile, TrustFile, VerifyOptions } from "./pkg/clearproof_verifier.js";
import type { Question, Response } from "./messages.js";

/** The verifier stopped without a verdict. That is a defect of the verifier; it says nothing of the file. */
export class VerifierBroken extends Error {
  override readonly name = "VerifierBroken";
}

/** The answer to a question that a later one made moot. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

type Answer<K extends Response["kind"]> = Extract<Response, { kind: K }>;

interface Pending {
  readonly question: Question;
  readonly resolve: (response: Response) => void;
  readonly reject: (reason: Error) => void;
}

export class Verifier {
  #worker: Worker | undefined;
  #nextId = 0;
  #pending = new Map<number, Pending>();

  /** Judges each file. Bad evidence is a report with verdict `invalid`, not an error. */
  async verify(files: readonly EvidenceFile[], options: VerifyOptions): Promise<Answer<"reports">> {
    return this.#ask("reports", { kind: "verify", files, options });
  }

  /** Says what a trust file pins. */
  async describeTrust(file: EvidenceFile): Promise<TrustFile> {
    return (await this.#ask("trust", { kind: "describe", file })).trust;
  }

  /** The verifier's version. */
  async version(): Promise<string> {
    return (await this.#ask("version", { kind: "version" })).version;
  }

  /** Stops a verification that is running; its answer is `Superseded`. Other questions are asked again. */
  cancel(): void {
    const pending = [...this.#pending.values()];
    if (pending.some(({ question }) => question.kind === "verify")) {
      this.#restart(new Superseded("a newer question replaced this one"));
    }
  }

  async #ask<K extends Response["kind"]>(expected: K, question: Question): Promise<Answer<K>> {
    const response = await this.#post(question);
    if (response.kind === "broken") {
      // After a trap the module's memory is in no known state.
      const error = new VerifierBroken(response.detail);
      this.#restart(error);
      throw error;
    }
    if (response.kind !== expected) {
      throw new VerifierBroken(`the worker gave a ${response.kind} instead of a ${expected}`);
    }
    return response as Answer<K>;
  }

  #post(question: Question): Promise<Response> {
    const worker = (this.#worker ??= this.#start());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { question, resolve, reject });
      worker.postMessage({ ...question, id });
    });
  }

  #start(): Worker {
    const worker = startWorker();
    worker.addEventListener("message", (event: MessageEvent<Response>) => {
      const response = event.data;
      this.#pending.get(response.id)?.resolve(response);
      this.#pending.delete(response.id);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#restart(new VerifierBroken(event.message || "the worker could not be started"));
    });
    return worker;
  }

  #restart(reason: Error): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { question, resolve, reject } of pending) {
      if (reason instanceof Superseded && question.kind !== "verify") {
        this.#post(question).then(resolve, reject);
      } else {
        reject(reason);
      }
    }
  }
}

/**
 * The worker's text is part of this page: a worker started from it inherits the page's security policy,
 * which forbids every connection. One started from an address of its own would not.
 */
const workerUrl = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));

const policy = window.trustedTypes?.createPolicy("clearproof-worker", {
  createScriptURL: (candidate) => {
    if (candidate !== workerUrl) {
      throw new TypeError("the page starts one worker, its own");
    }
    return candidate;
  },
});

function startWorker(): Worker {
  return new Worker(policy?.createScriptURL(workerUrl) ?? workerUrl, { name: "verifier" });
}
