/** The page's end of the worker for training certificates, which starts when it is asked for the first time. */

import source from "virtual:training-worker";
import type { TrainingQuestions } from "../worker/training-messages.js";
import { WorkerClient } from "./worker-client.js";

export class TrainingClient {
  #worker: WorkerClient<TrainingQuestions> | undefined;

  ask<K extends keyof TrainingQuestions>(kind: K, question: TrainingQuestions[K]["ask"]): Promise<TrainingQuestions[K]["answer"]> {
    this.#worker ??= new WorkerClient<TrainingQuestions>(source, "clearproof-training");
    return this.#worker.ask(kind, question);
  }

  /** Stops whatever it does; the next question starts another one. */
  stop(): void {
    this.#worker?.end();
    this.#worker = undefined;
  }
}
