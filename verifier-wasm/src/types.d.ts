interface CheckFacts {
  /** A stable name, such as `proof` or `bundle.trusted`. */
  readonly name: string;
  /** What it was made on: fingerprints, counts. */
  readonly inputs: string;
  /** One sentence: what was found. */
  readonly reason: string;
  readonly milliseconds: number;
  /** Whether it needed nothing but the files. */
  readonly offline: boolean;
}

export interface PassedCheck extends CheckFacts {
  readonly result: "passed";
}

export interface FailedCheck extends CheckFacts {
  readonly result: "failed";
}

export interface UnknownCheck extends CheckFacts {
  readonly result: "unknown";
}

/** One named step of the verification. */
export type Check = PassedCheck | FailedCheck | UnknownCheck;

/** A record's metadata: text, other bytes in hex, or only the digest of what is hidden. */
export interface RecordMetadata {
  readonly kind: "text" | "hex" | "hidden";
  readonly value: string;
}

/** One decision, as bytes say that the checks covered. Integers are decimal strings, bytes are hex. */
export interface DecisionRecord {
  /** Position of its proof in the file. */
  readonly proof: number;
  /** Its row in the proof. */
  readonly row: number;
  readonly model: string;
  /** SHA-256 of the bundle that decided: the fingerprint of its `verifier.bin`. */
  readonly bundle: string;
  /** The input commitment. */
  readonly commitment: string;
  readonly released: readonly string[];
  /** The released values in words. */
  readonly decision: string;
  /** Whether it was approved; null where the model releases something else than a decision. */
  readonly compliant: boolean | null;
  readonly metadata: RecordMetadata;
  /** The inputs, where they are disclosed or public. */
  readonly inputs: readonly string[] | null;
  /** The hash of its leaf in the log. */
  readonly leaf: string;
  /** Its sequence number, where it stands in a log. */
  readonly seq: string | null;
  /** Unix time in milliseconds by the backend's clock, where it stands in a log. */
  readonly timeMs: string | null;
  /** Sequence number of the latest lifecycle entry before it, where it stands in a log. */
  readonly lifecycle: string | null;
}

/** A decision of the log's window without a proof in the file. */
export interface UnprovenDecision {
  readonly seq: string;
  /** Unix time in milliseconds. */
  readonly timeMs: string;
  /** SHA-256 of the bundle that decided, in hex. */
  readonly bundle: string;
  /** The input commitment. */
  readonly commitment: string;
  /** The released values that the log holds; nothing proves them. */
  readonly released: readonly string[];
  /** Sequence number of the latest lifecycle entry before it. */
  readonly lifecycle: string;
  /** Made for development, so that no proof ever follows. */
  readonly development: boolean;
}

/** A change of what is in force. */
export interface LifecycleEntry {
  readonly seq: string;
  /** Unix time in milliseconds. */
  readonly timeMs: string;
  readonly action: "registered" | "approved" | "changed" | "retired";
  /** SHA-256 of the bundle, in hex. */
  readonly bundle: string;
  /** The bundle that it took the place of. */
  readonly replaced: string | null;
  /** SHA-256 of the policy's description, in hex; zeros if none. */
  readonly policy: string;
  /** The model's name. */
  readonly name: string;
  /** Who did it. */
  readonly by: string;
  /** Why. */
  readonly note: string;
}

/** A tree over a log's first entries. */
export interface TreeHead {
  /** Their number. */
  readonly size: string;
  /** The tree's root, in hex. */
  readonly root: string;
}

/** What a file shows of a log. */
export interface LogFacts {
  readonly origin: string;
  /** Entries at the checkpoint. */
  readonly size: string;
  /** The tree's root there, in hex. */
  readonly root: string;
  /** First sequence number of the window. */
  readonly from: string;
  /** Sequence number after its last. */
  readonly to: string;
  /** The earlier checkpoint from which the file shows growth; the check `log.consistency` says whether it does. */
  readonly earlier: TreeHead | null;
  readonly unproven: readonly UnprovenDecision[];
  readonly lifecycle: readonly LifecycleEntry[];
}

/** A model that the file's proofs rest on. Digests are hex. */
export interface ModelFacts {
  readonly name: string;
  readonly circuitId: string;
  /** SHA-256 of the model commitments. */
  readonly commitment: string;
  /** SHA-256 of the bundle: the fingerprint of its `verifier.bin`. */
  readonly bundle: string;
}

interface ReportFacts {
  /** The file's name as given. */
  readonly file: string;
  /** What was not checked, and what no proof shows. */
  readonly notChecked: readonly string[];
  readonly models: readonly ModelFacts[];
  /** The records of the proofs that hold. */
  readonly records: readonly DecisionRecord[];
  /** What the file shows of a log; null if nothing. */
  readonly log: LogFacts | null;
}

/** Every check passed, against something that the auditor pinned. */
export interface ValidReport extends ReportFacts {
  readonly verdict: "valid";
  readonly checks: readonly PassedCheck[];
}

/** At least one check failed. */
export interface InvalidReport extends ReportFacts {
  readonly verdict: "invalid";
  readonly checks: readonly Check[];
}

/** Nothing failed, but something needed is missing. */
export interface UnknownReport extends ReportFacts {
  readonly verdict: "unknown";
  readonly checks: readonly (PassedCheck | UnknownCheck)[];
}

/** What was found out about one file. */
export type Report = ValidReport | InvalidReport | UnknownReport;

/** What a bundle says of its policy. */
export interface PolicyFacts {
  readonly name: string;
  /** SHA-256 of the description, in hex: what lifecycle entries name. */
  readonly digest: string;
  /** Names of the model's own inputs. */
  readonly features: readonly string[];
  /** Fields of the metadata that rules read; each is one more input. */
  readonly fields: readonly string[];
  /** Running totals; each is two more inputs, before and after the decision. */
  readonly totals: readonly string[];
  /** The rules in their order: name, and condition as written. */
  readonly rules: readonly (readonly [string, string])[];
  /** The whole public policy in JSON. */
  readonly text: string;
}

/** What a `verifier.bin` pins. */
export interface TrustedBundle {
  /** SHA-256 of the whole file, in hex. */
  readonly fingerprint: string;
  /** SHA-256 of the portable verifying key, in hex. */
  readonly circuitId: string;
  readonly modelName: string;
  /** SHA-256 of the model commitments, in hex. */
  readonly commitment: string;
  /** Names of the released values; `decision` is the decision bit. */
  readonly released: readonly string[];
  /** The policy that the circuit applies, if any. */
  readonly policy: PolicyFacts | null;
  readonly scheme: "ipa" | "kzg";
  /** Made under the development reference string, which anybody can forge. */
  readonly insecureDevSrs: boolean;
}

export type TrustFile =
  | { readonly kind: "bundle"; readonly bundle: TrustedBundle }
  | { readonly kind: "rejected"; readonly reason: string };

/** What was found out about a Groth16 proof, under the key that was supplied. */
export interface Groth16Report {
  readonly verdict: "valid" | "invalid";
  /** In order, ended by the first that fails. */
  readonly checks: readonly (PassedCheck | FailedCheck)[];
  /** What was not checked, and what no proof shows. */
  readonly notChecked: readonly string[];
  /** SHA-256 of the key's points, in hex: one for a key, however it is written. Null if it could not be read. */
  readonly key: string | null;
}
