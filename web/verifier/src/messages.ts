/** What is asked of an engine, whether it runs in this thread or in a worker. */

import type { VerificationErrorCode } from "./errors.js";
import type { Groth16Report, Report, TrustFile } from "./pkg/clearproof_verifier.js";

/** What reports rest on, beside the files. */
export interface Settings {
  readonly trust: readonly Uint8Array[];
  readonly logKeys: readonly string[];
  readonly witnessKeys: readonly string[];
  readonly allowInsecureDevSrs: boolean;
}

/** A Groth16 proof with its key, as bytes in one encoding. */
export interface Groth16Bytes {
  readonly key: Uint8Array;
  readonly proof: Uint8Array;
  readonly inputs: Uint8Array;
  readonly arkworks: boolean;
}

/** What is asked, and the type of its answer. */
export interface Questions {
  start: { readonly ask: { readonly module: WebAssembly.Module; readonly settings: Settings }; readonly answer: string };
  /** Begins another file of the batch that is being handed over. */
  begin: { readonly ask: { readonly name: string; readonly bytes: number }; readonly answer: null };
  /** Adds bytes to the file begun last. */
  append: { readonly ask: { readonly chunk: Uint8Array }; readonly answer: null };
  /** Judges the batch, and empties it. */
  judge: { readonly ask: object; readonly answer: readonly Report[] };
  groth16: { readonly ask: Groth16Bytes; readonly answer: Groth16Report };
  describe: { readonly ask: { readonly bytes: Uint8Array }; readonly answer: TrustFile };
}

export type Kind = keyof Questions;

export type Request = { readonly [K in Kind]: { readonly kind: K; readonly id: number } & Questions[K]["ask"] }[Kind];

/** `id` is the request's. */
export type Response =
  | { readonly id: number; readonly answer: Questions[Kind]["answer"] }
  | { readonly id: number; readonly code: VerificationErrorCode; readonly detail: string };

/** Somewhere to ask. Questions are answered in order. */
export interface Channel {
  ask<K extends Kind>(
    kind: K,
    question: Questions[K]["ask"],
    transfer?: readonly ArrayBuffer[],
  ): Promise<Questions[K]["answer"]>;
  /** Ends it, at once where it is a worker; open questions get no answer. */
  end(): void;
}
