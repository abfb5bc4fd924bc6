/** The files at hand, what was found out about them, and what the table shows of them. */

import type { Broken, DeskProgress, GivenFile, Summary, TrustSettings } from "../worker/messages.js";
import { type Roster, parseRoster } from "../worker/roster.js";
import type { Facets, Query } from "../worker/rows.js";
import type { Offers, TamperAction } from "../worker/tamper.js";
import type { Training, TrainingCase } from "../worker/training-messages.js";
import type { Database, SeenCheckpoint } from "./database.js";
import type { DeskClient } from "./desk-client.js";
import { type OtherFile, keyLines, sorted } from "./kinds.js";
import { type Level, levelsOf, signedHeads } from "./levels.js";
import { message } from "./messages.svelte.js";
import type { TrainingClient } from "./training-client.js";
import { DeskError } from "./worker-client.js";

export const EVERYTHING: Query = {
  fromMs: null,
  untilMs: null,
  symbol: "",
  decision: "",
  bundle: "",
  status: "",
  text: "",
  newestFirst: false,
};

export interface Judged extends Summary {
  readonly levels: readonly Level[];
}

/** A file that is no evidence, and is not judged. */
export interface Other extends OtherFile {
  /** Of what can be pinned: fingerprints, or the keys themselves. */
  readonly fingerprints: readonly string[];
  /** Why it cannot be pinned although it seems to be such a file. */
  readonly problem: string;
}

/** What files are judged against. */
export interface Pinned {
  readonly count: number;
  readonly allowInsecureDevSrs: boolean;
  readonly settings: TrustSettings;
  readonly rosters: readonly { readonly roster: Roster }[];
}

export class Session {
  files = $state.raw<readonly GivenFile[]>([]);
  judged = $state.raw<readonly Judged[]>([]);
  /** Certificates of trainings among the files. */
  trainings = $state.raw<readonly Training[]>([]);
  others = $state.raw<readonly Other[]>([]);
  facets = $state.raw<Facets>({ symbols: [], models: [], statuses: [], fromMs: null, untilMs: null });
  milliseconds = $state(0);
  judgedMs = $state(0);
  insecureDevSrsAllowed = $state(false);
  pinned = $state(0);
  progress = $state.raw<DeskProgress | undefined>(undefined);
  failure = $state("");
  query = $state.raw<Query>(EVERYTHING);
  /** Grows with each judgement: what was asked of an older one is asked again. */
  generation = $state(0);
  seen = $state.raw<readonly SeenCheckpoint[]>([]);
  readonly #desk: DeskClient;
  readonly #training: TrainingClient;
  readonly #database: Database;
  /** What this visit added is not what an earlier visit saw. */
  readonly #before: SeenCheckpoint[] = [];
  /** What each of the trainings was judged by. */
  #cases: readonly TrainingCase[] = [];
  #newest = 0;

  /** Told of the files at hand. */
  readonly #given: (files: readonly GivenFile[]) => void;

  constructor(desk: DeskClient, training: TrainingClient, database: Database, given: (files: readonly GivenFile[]) => void) {
    this.#desk = desk;
    this.#training = training;
    this.#database = database;
    this.#given = given;
  }

  async restore(): Promise<void> {
    this.seen = await this.#database.checkpoints();
    this.#before.push(...this.seen);
  }

  get busy(): boolean {
    return this.progress !== undefined;
  }

  /** Judges these files against what is pinned now; `judged` stays as it was until that is done. */
  async judge(files: readonly GivenFile[], trust: Pinned): Promise<void> {
    this.failure = "";
    if (files.length === 0) {
      this.files = files;
      this.judged = [];
      this.trainings = [];
      this.others = [];
      return;
    }
    const bytes = files.reduce((sum, { blob }) => sum + blob.size, 0);
    if (bytes > MOST_BYTES || files.length > MOST_FILES) {
      this.failure = message("report.tooMuch", { files: MOST_FILES, bytes: MOST_BYTES / 1_000_000 });
      return;
    }
    this.#newest += 1;
    const own = this.#newest;
    this.files = files;
    this.#given(files);
    this.progress = { done: 0, total: files.length, bytes: 0 };
    try {
      const { certificates, evidence, others: strays } = await sorted(files);
      const { summaries, milliseconds, facets } = await this.#desk.ask("judge", { files: evidence }, (progress) => {
        if (own === this.#newest) {
          this.progress = { ...progress, total: files.length };
        }
      });
      const trainings: Training[] = [];
      const cases = certificates.map((certificate) => caseOf(certificate, evidence, summaries, trust));
      for (const one of cases) {
        if (own !== this.#newest) {
          return;
        }
        this.progress = { done: evidence.length + trainings.length, total: files.length, bytes };
        trainings.push(await this.#training.ask("judge", one));
      }
      const others = await Promise.all(strays.map((stray) => this.#described(stray)));
      if (own !== this.#newest) {
        return;
      }
      this.others = others;
      this.trainings = trainings;
      this.#cases = cases;
      this.judged = summaries.map((summary) => ({
        ...summary,
        levels: levelsOf(summary, this.#of(this.#before, summary), [
          ...this.#of(this.seen, summary),
          ...summaries.filter(({ log }) => log?.origin === summary.log?.origin).flatMap(signedHeads),
        ]),
      }));
      this.facets = facets;
      this.milliseconds = milliseconds;
      this.judgedMs = Date.now();
      this.insecureDevSrsAllowed = trust.allowInsecureDevSrs;
      this.pinned = trust.count;
      this.generation += 1;
      await this.#remember(summaries);
    } catch (error) {
      if (own === this.#newest && !(error instanceof DeskError && SUPERSEDED.has(error.code))) {
        this.judged = [];
        this.trainings = [];
        this.others = [];
        this.failure = `${message("report.noVerdict")} ${error instanceof Error ? error.message : String(error)}`;
      }
    } finally {
      if (own === this.#newest) {
        this.progress = undefined;
      }
    }
  }

  async cancel(): Promise<void> {
    this.#newest += 1;
    this.progress = undefined;
    this.#training.stop();
    await this.#desk.ask("cancel", {});
  }

  async forget(): Promise<void> {
    await this.#database.forgetCheckpoints();
    this.#before.length = 0;
    this.seen = [];
  }

  /** The largest checkpoint that was seen of a log. */
  lastSeen(origin: string): SeenCheckpoint | undefined {
    return largest(this.seen.filter((seen) => seen.origin === origin));
  }

  /** The largest checkpoint of a log that an earlier visit saw. */
  lastVisit(origin: string): SeenCheckpoint | undefined {
    return largest(this.#before.filter((seen) => seen.origin === origin));
  }

  /** The levels of a log that is followed, its growth from what was seen last; its checkpoint is remembered. */
  async observe(summary: Summary): Promise<Level[]> {
    const seen = this.#of(this.seen, summary);
    const levels = levelsOf(summary, seen, [...seen, ...signedHeads(summary)]);
    await this.#remember([summary]);
    return levels;
  }

  /** What can be falsified in a certificate. */
  async trainingOffers(training: number): Promise<Offers | undefined> {
    const certificate = this.#cases[training]?.certificate;
    return certificate === undefined ? undefined : this.#training.ask("offers", { certificate });
  }

  /** Falsifies a copy of a certificate and judges it as the certificate was; null where there is nothing to falsify. */
  async breakTraining(training: number, action: TamperAction): Promise<Broken | null> {
    const one = this.#cases[training];
    return one === undefined ? null : this.#training.ask("break", { ...one, action });
  }

  /** What there is to compare before it is pinned. */
  async #described(stray: OtherFile): Promise<Other> {
    const told = (fingerprints: readonly string[], problem = ""): Other => ({ ...stray, fingerprints, problem });
    const bytes = async (): Promise<Uint8Array> => new Uint8Array(await stray.file.blob.arrayBuffer());
    switch (stray.kind) {
      case "bundle": {
        const trust = await this.#desk.ask("describe", { bytes: await bytes() });
        return trust.kind === "bundle" ? told([trust.bundle.fingerprint]) : told([], trust.reason);
      }
      case "roster": {
        const roster = parseRoster(await bytes());
        return told(roster === undefined ? [] : [await this.#training.ask("roster", { roster })]);
      }
      case "keys":
        return told(keyLines(await bytes()));
      default:
        return told([]);
    }
  }

  #of(seen: readonly SeenCheckpoint[], { log }: Summary): SeenCheckpoint[] {
    return log === null ? [] : seen.filter(({ origin }) => origin === log.origin);
  }

  /** Only checkpoints that a pinned key signed, in trees that the file's entries stand in: nobody else can fill this. */
  async #remember(summaries: readonly Summary[]): Promise<void> {
    for (const { log, checks, verdict } of summaries) {
      const signed = checks.some(({ name, result }) => name === "log.checkpoint" && result === "passed");
      if (log === null || !signed || verdict === "invalid") {
        continue;
      }
      const { origin, size, root } = log;
      if (!this.seen.some((seen) => seen.origin === origin && seen.size === size && seen.root === root)) {
        const seen = { origin, size, root, seenMs: Date.now() };
        this.seen = [...this.seen, seen];
        await this.#database.putCheckpoint(seen);
      }
    }
  }
}

/** A certificate with the evidence that was given with it. */
function caseOf(certificate: GivenFile, evidence: readonly GivenFile[], summaries: readonly Summary[], { settings, rosters }: Pinned): TrainingCase {
  const decisions = evidence.flatMap((file, index) => {
    const summary = summaries[index];
    return summary === undefined ? [] : [{ file, commitments: summary.models.map(({ commitment }) => commitment) }];
  });
  return { certificate, decisions, settings, rosters: rosters.map(({ roster }) => roster) };
}

function largest(seen: readonly SeenCheckpoint[]): SeenCheckpoint | undefined {
  return seen.length === 0 ? undefined : seen.reduce((a, b) => (BigInt(b.size) > BigInt(a.size) ? b : a));
}

/** What ends a judgement when something newer begins: other pins, say. */
const SUPERSEDED: ReadonlySet<string> = new Set(["aborted", "closed"]);
const MOST_BYTES = 256_000_000;
const MOST_FILES = 2000;
