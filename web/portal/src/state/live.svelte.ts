/**
 * Follows a service. Of each new checkpoint the tiles that are new are fetched, and the log is checked from them; once
 * there are new proofs, evidence is asked for, and judged like any file.
 */

import type { App } from "./app.js";
import type { Level } from "./levels.js";
import { type Latency, type LogKey, Service, type ServiceModel, type Statistics } from "./service.js";
import { Tiles, headOf } from "./tiles.js";

/** Entries of the newest window, at most. */
const WINDOW = 2000;
/** Between two fetches, so that a busy log does not keep the page busy. */
const PAUSE_MS = 2000;
const LATENCIES = 200;
/** As the verifier's. */
const MOST_NOTE_BYTES = 65_536;

/** What the log's tiles show at a checkpoint. */
export interface LogView {
  readonly size: number;
  readonly from: number;
  readonly levels: readonly Level[];
  /** Why something does not hold, in the verifier's words. */
  readonly failures: readonly string[];
  /** What had to be fetched for it. */
  readonly tiles: number;
  readonly bytes: number;
}

export class Live {
  connected = $state(false);
  following = $state(false);
  busy = $state(false);
  problem = $state("");
  logKey = $state.raw<LogKey | undefined>(undefined);
  models = $state.raw<readonly ServiceModel[]>([]);
  statistics = $state.raw<Statistics | undefined>(undefined);
  latencies = $state.raw<readonly Latency[]>([]);
  events = $state.raw<readonly { readonly name: string; readonly ms: number }[]>([]);
  log = $state.raw<LogView | undefined>(undefined);
  checkedSize = $state(0);
  checkedMs = $state(0);
  #service: Service | undefined;
  #tiles: Tiles | undefined;
  #following = new AbortController();
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  async connect(origin: string, key: string): Promise<void> {
    await this.#attempt(async () => {
      const service = new Service(origin, key);
      this.logKey = await service.logKey();
      this.models = await service.models();
      this.statistics = await service.statistics();
      this.#service = service;
      this.#tiles = new Tiles((path, mostBytes) => service.logFile(path, mostBytes));
      this.connected = true;
    });
  }

  disconnect(): void {
    this.stop();
    this.#service = undefined;
    this.#tiles = undefined;
    this.log = undefined;
    this.connected = false;
    this.logKey = undefined;
    this.models = [];
    this.statistics = undefined;
  }

  /** The log as it stands: its tiles, and evidence of the newest window. */
  async fetch(): Promise<void> {
    const service = this.#service;
    if (service !== undefined && !this.busy) {
      await this.#attempt(async () => {
        await service.checkpoint();
        await this.#readLog(service);
        await this.#readEvidence(service);
      });
    }
  }

  /** What is new: the log alone, and evidence where there are new proofs. */
  async #next(proofs: boolean): Promise<void> {
    const service = this.#service;
    if (service !== undefined) {
      await this.#attempt(async () => {
        await this.#readLog(service);
        if (proofs) {
          await this.#readEvidence(service);
        }
      });
    }
  }

  /** The newest entries from tiles, and the growth from the checkpoint that this browser saw last. */
  async #readLog(service: Service): Promise<void> {
    const tiles = this.#tiles;
    const checkpoint = await service.logFile("checkpoint", MOST_NOTE_BYTES);
    const head = headOf(checkpoint);
    if (tiles === undefined || head === undefined || head.size === 0) {
      return;
    }
    const { session, desk } = this.#app;
    const { origin, size } = head;
    const seen = Number(session.lastSeen(origin)?.size ?? 0);
    const earlier = seen > 0 && seen < size ? await service.checkpointOf(seen) : undefined;
    const from = Math.max(0, size - WINDOW);
    const before = { tiles: tiles.fetched, bytes: tiles.fetchedBytes };
    const bytes = await tiles.window(checkpoint, from, earlier);
    const summary = await desk.ask("log", { name: origin, bytes });
    this.log = {
      size,
      from,
      // Of content nothing can be said without proofs, unless the entries contradict each other.
      levels: (await session.observe(summary)).filter(({ name, result }) => name !== "content" || result === "failed"),
      failures: summary.checks.filter(({ result }) => result === "failed").map(({ reason }) => reason),
      tiles: tiles.fetched - before.tiles,
      bytes: tiles.fetchedBytes - before.bytes,
    };
    this.checkedSize = size;
    this.checkedMs = Date.now();
  }

  /** Evidence of the newest window, with the growth since the last visit where the service can show it. */
  async #readEvidence(service: Service): Promise<void> {
    this.statistics = await service.statistics();
    const size = this.checkedSize;
    if (size === 0) {
      return;
    }
    const { session, trust } = this.#app;
    const origin = this.logKey?.origin ?? "";
    const visited = Number(session.lastVisit(origin)?.size ?? 0);
    const from = Math.max(0, size - WINDOW);
    const blob = await service.evidence(from, size, visited > 0 && visited < size ? visited : null);
    await session.judge([{ name: `${origin} ${from.toString()}-${(size - 1).toString()}.evidence`, blob }], trust);
    this.latencies = await service.latencies(LATENCIES);
  }

  async pinBundle(model: string): Promise<void> {
    const service = this.#service;
    if (service !== undefined) {
      await this.#attempt(async () => {
        const blob = await service.bundle(model);
        await this.#app.trust.addFiles([{ name: `${model.slice(0, 16)}.verifier.bin`, blob }]);
      });
    }
  }

  async follow(): Promise<void> {
    const service = this.#service;
    if (service === undefined || this.following) {
      return;
    }
    this.following = true;
    this.#following = new AbortController();
    const { signal } = this.#following;
    await this.fetch();
    const due = { log: false, proofs: false };
    const timer = setInterval(() => {
      if (due.log && !this.busy) {
        const { proofs } = due;
        due.log = due.proofs = false;
        void this.#next(proofs);
      }
    }, PAUSE_MS);
    try {
      for await (const name of service.events(signal)) {
        this.events = [...this.events.slice(-19), { name, ms: Date.now() }];
        // A record that is appended is in no checkpoint yet.
        due.log ||= name !== "appended";
        due.proofs ||= name !== "appended" && name !== "checkpoint";
      }
    } catch (error) {
      if (!signal.aborted) {
        this.problem = error instanceof Error ? error.message : String(error);
      }
    } finally {
      clearInterval(timer);
      this.following = false;
    }
  }

  stop(): void {
    this.#following.abort();
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.problem = "";
    try {
      await work();
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    } finally {
      this.busy = false;
    }
  }
}
