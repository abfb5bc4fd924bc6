/** The files at hand, what was found out about them, and what the table shows of them. */

import type { DeskProgress, GivenFile, Summary, TrustSettings } from "../worker/messages.js";
import type { Roster } from "../worker/roster.js";
import type { Facets, Query } from "../worker/rows.js";
import type { Training } from "../worker/training-messages.js";
import type { Database, SeenCheckpoint } from "./database.js";
import type { DeskClient } from "./desk-client.js";
import { sorted } from "./kinds.js";
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
      const { certificates, evidence } = await sorted(files);
      const { summaries, milliseconds, facets } = await this.#desk.ask("judge", { files: evidence }, (progress) => {
        if (own === this.#newest) {
          this.progress = { ...progress, total: files.length };
        }
      });
      const trainings: Training[] = [];
      for (const certificate of certificates) {
        if (own !== this.#newest) {
          return;
        }
        this.progress = { done: evidence.length + trainings.length, total: files.length, bytes };
        trainings.push(await this.#certified(certificate, evidence, summaries, trust));
      }
      if (own !== this.#newest) {
        return;
      }
      this.trainings = trainings;
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
      if (own === this.#newest && !(error instanceof DeskError && error.code === "aborted")) {
        this.judged = [];
        this.trainings = [];
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

  /** A certificate with the evidence that was given with it: the worker for it starts with the first one. */
  #certified(certificate: GivenFile, evidence: readonly GivenFile[], summaries: readonly Summary[], { settings, rosters }: Pinned): Promise<Training> {
    const decisions = evidence.flatMap((file, index) => {
      const summary = summaries[index];
      return summary === undefined || summary.misplaced ? [] : [{ file, commitments: summary.models.map(({ commitment }) => commitment) }];
    });
    return this.#training.ask("judge", { certificate, decisions, settings, rosters: rosters.map(({ roster }) => roster) });
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

function largest(seen: readonly SeenCheckpoint[]): SeenCheckpoint | undefined {
  return seen.length === 0 ? undefined : seen.reduce((a, b) => (BigInt(b.size) > BigInt(a.size) ? b : a));
}

const MOST_BYTES = 256_000_000;
const MOST_FILES = 2000;
