/** A party of a training, as its certificate's roster has it. */
export interface TrainingParty {
  readonly name: string;
  /** Ed25519 public key, in hex. */
  readonly signingKey: string;
  /** Sums that its update is in. */
  readonly rounds: number;
  /** Whether it signed the certificate. */
  readonly signed: boolean;
}

/** What privacy a training promised and spent; noise and sensitivity are those of its last round, in grid units. */
export interface TrainingPrivacy {
  readonly adjacency: "add-remove-record" | "add-remove-party";
  /** Releases, aborted attempts included. */
  readonly rounds: number;
  /** Spent, by privacy loss distributions: recomputed by the command only. */
  readonly epsilon: number;
  /** Spent, by Rényi divergences: recomputed here. */
  readonly renyiEpsilon: number;
  readonly promisedEpsilon: number;
  readonly delta: number;
  /** What the discreteness of the noise takes of epsilon. */
  readonly slackEpsilon: number;
  /** What the discreteness of the noise takes of delta. */
  readonly slackDelta: number;
  readonly noiseMultiplier: number;
  readonly samplingRate: number;
  readonly sensitivity: number;
  readonly shareSigma: number;
}

/** What a party proved of its private fields; what they mean is its claim. */
export interface TrainingCompliance {
  /** Position in the roster. */
  readonly party: number;
  /** The statement, JSON. */
  readonly statement: string;
  /** SHA-256 of the key's points, in hex. */
  readonly key: string | null;
  /** Who contributed to the key's set-up. */
  readonly contributors: readonly string[];
}

/** What was found out about a training certificate. Digests are hex. */
export interface TrainingReport {
  readonly verdict: "valid" | "invalid" | "unknown";
  readonly checks: readonly Check[];
  /** What was not checked, and what no signature shows. */
  readonly notChecked: readonly string[];
  /** SHA-256 of the roster. */
  readonly roster: string | null;
  readonly parties: readonly TrainingParty[];
  /** Rounds that gave a sum. */
  readonly rounds: number;
  readonly privacy: TrainingPrivacy | null;
  readonly compliance: readonly TrainingCompliance[];
  /** SHA-256 of the final model. */
  readonly model: string | null;
  /** The compiled model that decisions name, and the position of the party that compiled it. */
  readonly deployment: {
    readonly circuitId: string;
    readonly commitment: string;
    readonly bundle: string;
    readonly party: number;
  } | null;
}

/** What a certificate says of itself, before anything of it is checked. */
export interface TrainingClaims {
  /** SHA-256 of its roster. */
  readonly roster: string;
  /** SHA-256 of the model commitments of the compiled model. */
  readonly commitment: string | null;
}
