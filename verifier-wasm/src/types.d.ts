/** A file with the name that the auditor knows it by. */
export interface EvidenceFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a verdict may rest on, beside the files. */
export interface VerifyOptions {
  /** The contents of the `verifier.bin` files that the auditor pinned. */
  readonly trust: readonly Uint8Array[];
  /** Accepts proofs under the development reference string, which anybody can forge. */
  readonly allowInsecureDevSrs: boolean;
}

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
  readonly outcome: "passed";
}

export interface FailedCheck extends CheckFacts {
  readonly outcome: "failed";
}

export interface UnknownCheck extends CheckFacts {
  readonly outcome: "unknown";
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
  /** The input commitment. */
  readonly commitment: string;
  readonly released: readonly string[];
  /** The released values in words. */
  readonly decision: string;
  readonly metadata: RecordMetadata;
  /** The inputs, where they are disclosed or public. */
  readonly inputs: readonly string[] | null;
  /** The hash of its leaf in the log. */
  readonly leaf: string;
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

/** What a `verifier.bin` pins. */
export interface TrustedBundle {
  /** SHA-256 of the whole file, in hex. */
  readonly fingerprint: string;
  /** SHA-256 of the portable verifying key, in hex. */
  readonly circuitId: string;
  readonly modelName: string;
  readonly scheme: "ipa" | "kzg";
  /** Made under the development reference string, which anybody can forge. */
  readonly insecureDevSrs: boolean;
}

export type TrustFile =
  | { readonly kind: "bundle"; readonly bundle: TrustedBundle }
  | { readonly kind: "rejected"; readonly reason: string };
