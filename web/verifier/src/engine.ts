/** The verifier in this thread: everything that touches the WebAssembly module. */

import { VerificationError, messageOf } from "./errors.js";
import type { Channel, Groth16Bytes, Kind, Questions, Request, Settings } from "./messages.js";
import { Files, Verifier, describeTrust, initSync, verifyGroth16, version } from "./pkg/clearproof_verifier.js";

/** Set once the module stopped in the midst of something: its memory is in no known state from then on. */
let broken: VerificationError | undefined;

/** Judges with the settings it was started with, and remembers the models that it checked. */
export class Engine {
  #verifier: Verifier | undefined;
  #files: Files | undefined;

  /** The answer to a request; a `VerificationError` if there is none. */
  handle(request: Request): Questions[Kind]["answer"] {
    if (broken !== undefined) {
      throw broken;
    }
    try {
      return this.#answer(request);
    } catch (error) {
      if (error instanceof VerificationError) {
        throw error;
      }
      // The verifier answers bad evidence with a verdict. An exception is a defect of ours.
      broken = new VerificationError("verifier-broken", messageOf(error), { cause: error });
      throw broken;
    }
  }

  free(): void {
    if (broken === undefined) {
      this.#verifier?.free();
      this.#files?.free();
    }
    this.#verifier = undefined;
    this.#files = undefined;
  }

  #answer(request: Request): Questions[Kind]["answer"] {
    switch (request.kind) {
      case "start":
        return this.#start(request.module, request.settings);
      case "begin":
        this.#files ??= new Files();
        return roomFor(this.#files.begin(request.name, request.bytes));
      case "append":
        return roomFor(this.#files?.append(request.chunk) ?? false);
      case "judge":
        return this.#judge();
      case "groth16":
        return groth16(request);
      case "describe":
        return describeTrust(request.bytes);
    }
  }

  #start(module: WebAssembly.Module, settings: Settings): string {
    initSync({ module });
    const verifier = new Verifier();
    this.#verifier = verifier;
    settings.trust.forEach((bytes, index) => {
      refuse("bad-trust", `trust[${index.toString()}]`, verifier.trustBundle(bytes));
    });
    settings.logKeys.forEach((key, index) => {
      refuse("bad-log-key", `logKeys[${index.toString()}]`, verifier.trustLog(key));
    });
    settings.witnessKeys.forEach((key, index) => {
      refuse("bad-witness-key", `witnessKeys[${index.toString()}]`, verifier.trustWitness(key));
    });
    if (settings.allowInsecureDevSrs) {
      verifier.allowInsecureDevSrs();
    }
    return version();
  }

  #judge(): Questions["judge"]["answer"] {
    if (this.#verifier === undefined) {
      throw new Error("the engine was not started");
    }
    const files = this.#files ?? new Files();
    this.#files = undefined;
    try {
      return this.#verifier.verify(files);
    } finally {
      files.free();
    }
  }
}

function groth16({ key, proof, inputs, arkworks }: Groth16Bytes): Questions["groth16"]["answer"] {
  return verifyGroth16(key, proof, inputs, arkworks);
}

function roomFor(room: boolean): null {
  if (!room) {
    throw new VerificationError("too-large", "There is no memory for a file of this size.");
  }
  return null;
}

function refuse(code: "bad-trust" | "bad-log-key" | "bad-witness-key", what: string, reason: string | undefined): void {
  if (reason !== undefined) {
    throw new VerificationError(code, `${what} is refused: ${reason}.`);
  }
}

/** An engine in this thread as a channel. */
export function localChannel(): Channel {
  const engine = new Engine();
  return {
    ask: <K extends Kind>(kind: K, question: Questions[K]["ask"]) =>
      // In a promise, so that a refusal is a rejection here as it is with a worker.
      new Promise<Questions[K]["answer"]>((resolve) => {
        resolve(engine.handle({ ...question, kind, id: 0 } as unknown as Request));
      }),
    end: () => {
      engine.free();
    },
  };
}
