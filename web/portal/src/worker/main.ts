/** The worker's program: a desk that answers messages. */

import { VerificationError } from "@clearproof/verifier";
import type { Told } from "../state/worker-client.js";
import { Desk } from "./desk.js";
import type { Asked, DeskProgress } from "./messages.js";

const desk = new Desk();

self.onmessage = (event: MessageEvent<Asked>): void => {
  const { data } = event;
  const post = (told: Told<DeskProgress>): void => {
    self.postMessage(told);
  };
  desk.answer(data, (progress) => { post({ id: data.id, progress }); }).then(
    (answer) => { post({ id: data.id, answer }); },
    (error: unknown) => {
      const code = error instanceof VerificationError ? error.code : "desk-broken";
      const detail = error instanceof VerificationError ? error.detail : error instanceof Error ? error.message : String(error);
      post({ id: data.id, code, detail });
    },
  );
};
