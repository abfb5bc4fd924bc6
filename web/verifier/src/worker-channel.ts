/** A worker as a channel. */

import { startWorker, type WorkerHandle } from "#platform";
import { VerificationError } from "./errors.js";
import workerSource from "./generated/worker-source.js";
import type { Channel, Kind, Questions, Response } from "./messages.js";

interface Pending {
  readonly resolve: (answer: Questions[Kind]["answer"]) => void;
  readonly reject: (reason: VerificationError) => void;
}

export function workerChannel(makeWorker: (() => Worker) | undefined): Channel {
  const pending = new Map<number, Pending>();
  let nextId = 0;
  let handle: WorkerHandle;
  const fail = (error: VerificationError): void => {
    for (const { reject } of pending.values()) {
      reject(error);
    }
    pending.clear();
  };
  try {
    handle = startWorker(workerSource, makeWorker, {
      message: (data) => {
        const response = data as Response;
        const asked = pending.get(response.id);
        pending.delete(response.id);
        handle.setBusy(pending.size > 0);
        if ("answer" in response) {
          asked?.resolve(response.answer);
        } else {
          asked?.reject(new VerificationError(response.code, response.detail));
        }
      },
      error: (detail) => {
        fail(new VerificationError("worker-unavailable", detail));
      },
    });
  } catch (error) {
    throw new VerificationError("worker-unavailable", "The worker could not be started.", { cause: error });
  }
  return {
    ask: <K extends Kind>(kind: K, question: Questions[K]["ask"], transfer: readonly ArrayBuffer[] = []) =>
      new Promise<Questions[K]["answer"]>((resolve, reject) => {
        const id = nextId++;
        pending.set(id, { resolve, reject });
        handle.setBusy(true);
        handle.post({ ...question, kind, id }, transfer);
      }),
    end: () => {
      handle.terminate();
      fail(new VerificationError("closed", "The worker was ended."));
    },
  };
}
