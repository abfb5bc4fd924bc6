import type { EvidenceFile, Report, TrustFile, VerifyOptions } from "./pkg/clearproof_verifier.js";

/** What the page asks of the worker. */
export type Request =
  | { readonly kind: "verify"; readonly id: number; readonly files: readonly EvidenceFile[]; readonly options: VerifyOptions }
  | { readonly kind: "describe"; readonly id: number; readonly file: EvidenceFile }
  | { readonly kind: "version"; readonly id: number };

/** What the worker answers; `id` is the request's. */
export type Response =
  | { readonly kind: "reports"; readonly id: number; readonly reports: readonly Report[]; readonly milliseconds: number }
  | { readonly kind: "trust"; readonly id: number; readonly trust: TrustFile }
  | { readonly kind: "version"; readonly id: number; readonly version: string }
  | { readonly kind: "broken"; readonly id: number; readonly detail: string };

/** `Request` without its id, member by member. */
export type Question = Request extends infer R ? (R extends Request ? Omit<R, "id"> : never) : never;
