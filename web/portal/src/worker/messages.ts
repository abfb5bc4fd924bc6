/** What the page asks of its worker. */

import type { Check, LifecycleEntry, ModelFacts, Report, TreeHead, TrustFile, DecisionRecord, UnprovenDecision } from "@clearproof/verifier";
import type { Overview } from "./overview.js";
import type { Facets, Query, Row } from "./rows.js";
import type { Offers, TamperAction } from "./tamper.js";

/** What the auditor pinned. */
export interface TrustSettings {
  readonly bundles: readonly Uint8Array[];
  /** Names of the released values, by the bundles' fingerprints. */
  readonly released: readonly (readonly [string, readonly string[]])[];
  readonly logKeys: readonly string[];
  readonly witnessKeys: readonly string[];
  readonly allowInsecureDevSrs: boolean;
}

/** A file as it was given. */
export interface GivenFile {
  readonly name: string;
  readonly blob: Blob;
}

/** A report without what can be long; rows are asked for apart. */
export interface Summary {
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of the file, in hex; null where the browser computes none (a page that is not served securely). */
  readonly digest: string | null;
  readonly verdict: Report["verdict"];
  readonly checks: readonly Check[];
  readonly notChecked: readonly string[];
  readonly models: readonly ModelFacts[];
  readonly records: number;
  readonly proofs: number;
  readonly disclosed: number;
  readonly log: LogSummary | null;
}

export interface LogSummary {
  readonly origin: string;
  readonly size: string;
  readonly root: string;
  readonly from: string;
  readonly to: string;
  readonly earlier: TreeHead | null;
  readonly waiting: number;
  readonly development: number;
  readonly lifecycle: readonly LifecycleEntry[];
}

/** A record with all that is known of it. */
export interface RecordDetail {
  readonly row: Row;
  readonly proved: DecisionRecord | null;
  readonly unproved: UnprovenDecision | null;
  readonly fileName: string;
  readonly verdict: Report["verdict"];
  /** Rows of the same proof. */
  readonly batch: readonly { readonly key: string; readonly row: number }[];
  /** Checks of its proof. */
  readonly checks: readonly Check[];
  readonly log: { readonly origin: string; readonly size: string; readonly root: string } | null;
  readonly inForce: LifecycleEntry | null;
  readonly previous: string | null;
  readonly next: string | null;
}

/** How far a judgement or a new verification is. */
export interface DeskProgress {
  readonly done: number;
  readonly total: number;
  readonly bytes: number;
}

/** Of a verification anew. */
export interface Reverified {
  readonly proofs: number;
  readonly rows: number;
  readonly workers: number;
  readonly milliseconds: number;
  readonly verdicts: Readonly<Record<Report["verdict"], number>>;
  /** What failed: file, proof, reason. */
  readonly problems: readonly { readonly file: string; readonly proof: number; readonly check: string; readonly reason: string }[];
  readonly cancelled: boolean;
}

/** What the verifier says of a falsified file. */
export interface Broken {
  readonly verdict: Report["verdict"];
  readonly checks: readonly Check[];
  /** Where it differs first, and in how many bytes. */
  readonly first: number;
  readonly differing: number;
  readonly bytes: number;
}

export interface Questions {
  hello: { readonly ask: object; readonly answer: { readonly version: string; readonly wasm: string | null; readonly workers: number } };
  trust: { readonly ask: { readonly settings: TrustSettings }; readonly answer: null };
  describe: { readonly ask: { readonly bytes: Uint8Array }; readonly answer: TrustFile };
  judge: { readonly ask: { readonly files: readonly GivenFile[] }; readonly answer: { readonly summaries: readonly Summary[]; readonly milliseconds: number; readonly facets: Facets } };
  rows: { readonly ask: { readonly query: Query; readonly from: number; readonly count: number }; readonly answer: { readonly total: number; readonly of: number; readonly rows: readonly Row[] } };
  record: { readonly ask: { readonly key: string }; readonly answer: RecordDetail | null };
  overview: { readonly ask: { readonly query: Query }; readonly answer: Overview };
  csv: { readonly ask: { readonly query: Query }; readonly answer: Blob };
  json: { readonly ask: { readonly file: number }; readonly answer: Blob };
  offers: { readonly ask: { readonly file: number }; readonly answer: Offers };
  break: { readonly ask: { readonly file: number; readonly action: TamperAction }; readonly answer: Broken | null };
  reverify: { readonly ask: { readonly sample: number | null }; readonly answer: Reverified };
  /** Judges a window of a log by itself; the files at hand stay. */
  log: { readonly ask: { readonly name: string; readonly bytes: Uint8Array }; readonly answer: Summary };
  cancel: { readonly ask: object; readonly answer: null };
}

export type Kind = keyof Questions;

export type Asked = { readonly [K in Kind]: { readonly id: number; readonly kind: K } & Questions[K]["ask"] }[Kind];
