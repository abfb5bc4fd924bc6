/** Follows a service: each new checkpoint is asked for as evidence, and judged like any file. */

import type { App } from "./app.js";
import { type Latency, type LogKey, Service, type ServiceModel, type Statistics } from "./service.js";

/** Entries of the newest window, at most. */
const WINDOW = 2000;
/** Between two fetches, so that a busy log does not keep the page busy. */
const PAUSE_MS = 2000;
const LATENCIES = 200;

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
  checkedSize = $state(0);
  checkedMs = $state(0);
  #service: Service | undefined;
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
      this.connected = true;
    });
  }

  disconnect(): void {
    this.stop();
    this.#service = undefined;
    this.connected = false;
    this.logKey = undefined;
    this.models = [];
    this.statistics = undefined;
  }

  /** The newest window, from the checkpoint that this browser saw last where the service can show the growth. */
  async fetch(): Promise<void> {
    const service = this.#service;
    if (service === undefined || this.busy) {
      return;
    }
    await this.#attempt(async () => {
      const size = await service.checkpoint();
      this.statistics = await service.statistics();
      if (size === 0) {
        return;
      }
      const origin = this.logKey?.origin ?? "";
      const seen = Number(this.#app.session.lastSeen(origin)?.size ?? 0);
      const from = Math.max(0, size - WINDOW);
      const blob = await service.evidence(from, size, seen > 0 && seen < size ? seen : null);
      const name = `${origin} ${from.toString()}-${(size - 1).toString()}.evidence`;
      await this.#app.session.judge([{ name, blob }], this.#app.trust);
      this.checkedSize = size;
      this.checkedMs = Date.now();
      this.latencies = await service.latencies(LATENCIES);
    });
  }

  async pinBundle(model: string): Promise<void> {
    const service = this.#service;
    if (service !== undefined) {
      await this.#attempt(async () => {
        const blob = await service.bundle(model);
        await this.#app.trust.addFiles([{ name: `${model.slice(0, 16)}.verifier.bin`, blob }], "log");
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
    let due = false;
    const timer = setInterval(() => {
      if (due && !this.busy) {
        due = false;
        void this.fetch();
      }
    }, PAUSE_MS);
    try {
      for await (const name of service.events(signal)) {
        this.events = [...this.events.slice(-19), { name, ms: Date.now() }];
        due ||= name !== "appended";
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
