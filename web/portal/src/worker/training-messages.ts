/** What the page asks of the worker for training certificates. */

import type { TrainingReport } from "@clearproof/verifier/training";
import type { Broken, GivenFile, TrustSettings } from "./messages.js";
import type { Roster } from "./roster.js";
import type { Offers, TamperAction } from "./tamper.js";

/** Evidence that was given with certificates. */
export interface GivenDecisions {
  readonly file: GivenFile;
  /** Commitments of the models that it names. */
  readonly commitments: readonly string[];
}

/** Whether evidence is by the certificate's model: what it names, before anything else is asked of it. */
export interface NamedModel {
  readonly file: string;
  readonly model: "same" | "other" | "none";
}

/** A certificate that was judged. */
export interface Training {
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of the file, in hex; null where the browser computes none. */
  readonly digest: string | null;
  readonly report: TrainingReport;
  readonly decisions: readonly NamedModel[];
}

/** A certificate with what it is judged by. */
export interface TrainingCase {
  readonly certificate: GivenFile;
  readonly decisions: readonly GivenDecisions[];
  readonly settings: TrustSettings;
  readonly rosters: readonly Roster[];
}

export interface TrainingQuestions {
  /** SHA-256 of a roster, in hex. */
  roster: { readonly ask: { readonly roster: Roster }; readonly answer: string };
  judge: { readonly ask: TrainingCase; readonly answer: Training };
  offers: { readonly ask: { readonly certificate: GivenFile }; readonly answer: Offers };
  break: { readonly ask: TrainingCase & { readonly action: TamperAction }; readonly answer: Broken | null };
}

type Kind = keyof TrainingQuestions;

export type TrainingAsked = { readonly [K in Kind]: { readonly id: number; readonly kind: K } & TrainingQuestions[K]["ask"] }[Kind];
