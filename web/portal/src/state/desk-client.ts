/** The page's end of the desk. */

import source from "virtual:desk-worker";
import type { DeskProgress, Questions } from "../worker/messages.js";
import { WorkerClient } from "./worker-client.js";

export class DeskClient extends WorkerClient<Questions, DeskProgress> {
  constructor() {
    super(source, "clearproof-desk");
  }
}
