/** What all pages share, made once. */

import { Database } from "./database.js";
import { DeskClient } from "./desk-client.js";
import { KeptFiles } from "./kept-files.svelte.js";
import { Live } from "./live.svelte.js";
import { Session } from "./session.svelte.js";
import { TrainingClient } from "./training-client.js";
import { Trust } from "./trust.svelte.js";

export interface App {
  readonly desk: DeskClient;
  readonly session: Session;
  readonly trust: Trust;
  readonly live: Live;
  readonly kept: KeptFiles;
  readonly version: string;
  /** SHA-256 of the verifier's WebAssembly module; null where the browser computes none. */
  readonly wasm: string | null;
  readonly workers: number;
}

export async function start(): Promise<App> {
  const desk = new DeskClient();
  const training = new TrainingClient();
  const database = await Database.open();
  const kept = new KeptFiles(database);
  const session = new Session(desk, training, database, (files) => void kept.hold(files));
  await session.restore();
  const trust: Trust = new Trust(desk, training, database, async () => {
    await session.judge(session.files, trust);
  });
  const { version, wasm, workers } = await desk.ask("hello", {});
  await trust.restore();
  const files = await kept.restore();
  if (files.length > 0) {
    // The page is there while they are judged.
    void session.judge(files, trust);
  }
  const app: App = { desk, session, trust, kept, version, wasm, workers, live: undefined as never };
  return Object.assign(app, { live: new Live(app) });
}
