/** What runs in a worker: an engine that answers messages. */

import { Engine } from "./engine.js";
import { VerificationError, messageOf } from "./errors.js";
import type { Request, Response } from "./messages.js";

const engine = new Engine();

function respond(request: Request): Response {
  try {
    return { id: request.id, answer: engine.handle(request) };
  } catch (error) {
    return error instanceof VerificationError
      ? { id: request.id, code: error.code, detail: error.detail }
      : { id: request.id, code: "verifier-broken", detail: messageOf(error) };
  }
}

self.onmessage = (event: MessageEvent<Request>): void => {
  self.postMessage(respond(event.data));
};
