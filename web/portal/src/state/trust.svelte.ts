/** What the auditor trusts: pinned bundles, rosters of trainings, keys of logs and witnesses, and whether development set-ups count. */

import type { TrustedBundle } from "@clearproof/verifier";
import type { GivenFile, TrustSettings } from "../worker/messages.js";
import { type Roster, parseRoster } from "../worker/roster.js";
import type { DeskClient } from "./desk-client.js";
import type { Database, StoredPin } from "./database.js";
import { keyLines, kindOf } from "./kinds.js";
import { message } from "./messages.svelte.js";
import type { TrainingClient } from "./training-client.js";

export interface PinnedBundle {
  readonly fileName: string;
  readonly bytes: Uint8Array;
  readonly bundle: TrustedBundle;
}

export interface PinnedRoster {
  readonly fileName: string;
  readonly roster: Roster;
  /** SHA-256 of its names and keys, in hex. */
  readonly digest: string;
}

export interface PinnedKey {
  readonly kind: "log" | "witness";
  /** `NAME+ID+KEY`. */
  readonly key: string;
}

export class Trust {
  bundles = $state.raw<readonly PinnedBundle[]>([]);
  rosters = $state.raw<readonly PinnedRoster[]>([]);
  keys = $state.raw<readonly PinnedKey[]>([]);
  allowInsecureDevSrs = $state(false);
  problem = $state("");
  /** Evidence and certificates that were given to be pinned: they are for judging. */
  strays = $state.raw<readonly GivenFile[]>([]);
  remembers = $state(true);
  readonly #desk: DeskClient;
  readonly #training: TrainingClient;
  readonly #database: Database;
  readonly #changed: () => Promise<void>;
  /** Other tabs of the page have the same pins. */
  readonly #tabs = new BroadcastChannel("clearproof-pins");
  /** One change after the other: each asks the desk several things. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(desk: DeskClient, training: TrainingClient, database: Database, changed: () => Promise<void>) {
    this.#desk = desk;
    this.#training = training;
    this.#database = database;
    this.#changed = changed;
    this.remembers = database.remembers;
    this.#tabs.addEventListener("message", () => {
      void this.#inTurn(() => this.restore().then(() => this.#apply(false)));
    });
  }

  get count(): number {
    return this.bundles.length + this.rosters.length + this.keys.length;
  }

  /** What evidence is checked against. */
  get settings(): TrustSettings {
    const keys = (kind: PinnedKey["kind"]): string[] => this.keys.filter((pin) => pin.kind === kind).map(({ key }) => key);
    return {
      bundles: this.bundles.map(({ bytes }) => bytes),
      released: this.bundles.map(({ bundle }) => [bundle.fingerprint, bundle.released] as const),
      logKeys: keys("log"),
      witnessKeys: keys("witness"),
      allowInsecureDevSrs: this.allowInsecureDevSrs,
    };
  }

  /** Pins of an earlier visit or of another tab. */
  async restore(): Promise<void> {
    const bundles: PinnedBundle[] = [];
    const rosters: PinnedRoster[] = [];
    const keys: PinnedKey[] = [];
    for (const stored of await this.#database.pins()) {
      if (stored.kind === "roster") {
        const roster = parseRoster(stored.bytes);
        if (roster !== undefined) {
          // Its digest is computed anew whenever a certificate is checked against it.
          rosters.push({ fileName: stored.fileName, roster, digest: stored.id });
        }
        continue;
      }
      if (stored.kind !== "bundle") {
        keys.push({ kind: stored.kind, key: stored.id });
        continue;
      }
      const trust = await this.#desk.ask("describe", { bytes: stored.bytes });
      if (trust.kind === "bundle" && trust.bundle.fingerprint === stored.id) {
        bundles.push({ fileName: stored.fileName, bytes: stored.bytes, bundle: trust.bundle });
      } else {
        await this.#database.removePin(stored);
      }
    }
    this.bundles = bundles;
    this.rosters = rosters;
    this.keys = keys;
    await this.#desk.ask("trust", { settings: this.settings });
  }

  /** Pins what the files are: a `verifier.bin`, a `roster.json`, or lines with keys of logs and witnesses. */
  addFiles(files: readonly GivenFile[]): Promise<void> {
    return this.#inTurn(() => this.#addFiles(files));
  }

  async #addFiles(files: readonly GivenFile[]): Promise<void> {
    const problems: string[] = [];
    const strays: GivenFile[] = [];
    for (const file of files) {
      const { name, blob } = file;
      const kind = await kindOf(blob);
      if (kind === "evidence" || kind === "certificate") {
        problems.push(message(`trust.${kind}`, { name }));
        strays.push(file);
        continue;
      }
      if (kind === "report" || kind === "records" || kind === "checkpoint") {
        problems.push(message("trust.other", { name, what: message(`other.${kind}`) }));
        continue;
      }
      if (blob.size > MOST_BYTES) {
        problems.push(message("trust.tooLarge", { name }));
        continue;
      }
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const lines = keyLines(bytes);
      if (lines.length > 0) {
        for (const line of lines) {
          await this.#addKey(line, problems);
        }
        continue;
      }
      const roster = parseRoster(bytes);
      if (roster !== undefined) {
        const digest = await this.#training.ask("roster", { roster });
        this.rosters = [...this.rosters.filter((pin) => pin.digest !== digest), { fileName: name, roster, digest }];
        await this.#database.putPin({ kind: "roster", id: digest, fileName: name, bytes });
        continue;
      }
      const trust = await this.#desk.ask("describe", { bytes });
      if (trust.kind === "rejected") {
        problems.push(message("trust.refused", { name, reason: trust.reason }));
        continue;
      }
      const { bundle } = trust;
      this.bundles = [...this.bundles.filter((pin) => pin.bundle.fingerprint !== bundle.fingerprint), { fileName: name, bytes, bundle }];
      await this.#database.putPin({ kind: "bundle", id: bundle.fingerprint, fileName: name, bytes });
    }
    this.strays = strays;
    await this.#done(problems);
  }

  /** Pins a key that was typed. */
  addKey(text: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const problems: string[] = [];
      await this.#addKey(text.trim(), problems);
      await this.#done(problems);
      return problems.length === 0;
    });
  }

  /** Whether these fingerprints or keys are pinned, all of them. */
  has(fingerprints: readonly string[]): boolean {
    const known = new Set([...this.bundles.map(({ bundle }) => bundle.fingerprint), ...this.rosters.map(({ digest }) => digest), ...this.keys.map(({ key }) => key)]);
    return fingerprints.length > 0 && fingerprints.every((one) => known.has(one));
  }

  remove(pin: PinnedBundle | PinnedRoster | PinnedKey): Promise<void> {
    return this.#inTurn(() => this.#remove(pin));
  }

  async #remove(pin: PinnedBundle | PinnedRoster | PinnedKey): Promise<void> {
    if ("bundle" in pin) {
      this.bundles = this.bundles.filter((other) => other !== pin);
      await this.#database.removePin({ kind: "bundle", id: pin.bundle.fingerprint });
    } else if ("roster" in pin) {
      this.rosters = this.rosters.filter((other) => other !== pin);
      await this.#database.removePin({ kind: "roster", id: pin.digest });
    } else {
      this.keys = this.keys.filter((other) => other !== pin);
      await this.#database.removePin({ kind: pin.kind, id: pin.key });
    }
    await this.#done([]);
  }

  allowDevelopment(allowed: boolean): Promise<void> {
    return this.#inTurn(() => {
      this.allowInsecureDevSrs = allowed;
      return this.#apply(false);
    });
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const next = this.#last.then(change, change);
    this.#last = next;
    return next;
  }

  async #addKey(text: string, problems: string[]): Promise<void> {
    const pin: PinnedKey = { kind: ownerOf(text), key: text };
    const settings = { ...this.settings, bundles: [], [pin.kind === "log" ? "logKeys" : "witnessKeys"]: [pin.key] };
    try {
      // The verifier says whether it is a key; it is asked with this key alone.
      await this.#desk.ask("trust", { settings });
      await this.#desk.ask("hello", {});
    } catch (error) {
      problems.push(message("trust.keyRefused", { key: pin.key.slice(0, 80), reason: error instanceof Error ? error.message : "" }));
      return;
    }
    if (!this.keys.some(({ kind, key }) => kind === pin.kind && key === pin.key)) {
      this.keys = [...this.keys, pin];
      const stored: StoredPin = { kind: pin.kind, id: pin.key };
      await this.#database.putPin(stored);
    }
  }

  async #done(problems: string[]): Promise<void> {
    this.remembers = this.#database.remembers;
    this.problem = problems.join(" ");
    if (problems.length === 0) {
      this.strays = [];
    }
    await this.#apply(true);
  }

  async #apply(tellTabs: boolean): Promise<void> {
    await this.#desk.ask("trust", { settings: this.settings });
    if (tellTabs) {
      this.#tabs.postMessage("changed");
    }
    await this.#changed();
  }
}

/** Whose key it is: a witness's cosigns (type 4), any other signs checkpoints of its own. */
function ownerOf(key: string): PinnedKey["kind"] {
  try {
    return atob(key.split("+").slice(2).join("+")).charCodeAt(0) === COSIGNATURE ? "witness" : "log";
  } catch {
    return "log";
  }
}

/** c2sp.org/tlog-cosignature, version 1. */
const COSIGNATURE = 4;
const MOST_BYTES = 256_000_000;
