/** Why there is no report. Bad evidence is never an error: it gets a report with verdict `invalid`. */
export type VerificationErrorCode =
  /** The signal given was aborted. */
  | "aborted"
  /** An option has a value that it cannot have. */
  | "bad-option"
  /** A pinned `verifier.bin` is none. */
  | "bad-trust"
  /** A pinned key of a log is none. */
  | "bad-log-key"
  /** A pinned key of a witness is none. */
  | "bad-witness-key"
  /** More bytes than `maxBytes`, or than there is memory for. */
  | "too-large"
  /** The bytes could not be read from where they come. */
  | "unreadable"
  /** The WebAssembly module could not be loaded or compiled. */
  | "wasm-unavailable"
  /** A worker could not be started. */
  | "worker-unavailable"
  /** The verifier stopped without a verdict: a defect of the verifier, which says nothing of the evidence. */
  | "verifier-broken"
  /** The verifier was closed. */
  | "closed";

/** No report, for a reason that the code names. */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
  readonly code: VerificationErrorCode;
  /** What exactly was found, in a sentence. */
  readonly detail: string;

  constructor(code: VerificationErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
