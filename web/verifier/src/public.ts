/** What every entry exports beside its own `createVerifier` and `verifyGroth16`. */

export type { CreateVerifier, VerifyGroth16 } from "./entry.js";
export { VerificationError, type VerificationErrorCode } from "./errors.js";
export type { EvidenceFile, EvidenceSource } from "./input.js";
export type {
  Groth16Inputs,
  Groth16Key,
  Groth16Proof,
  SnarkjsProof,
  SnarkjsVerificationKey,
} from "./groth16.js";
export type {
  Check,
  DecisionRecord,
  FailedCheck,
  Groth16Report,
  InvalidReport,
  LifecycleEntry,
  LogFacts,
  ModelFacts,
  PassedCheck,
  PolicyFacts,
  RecordMetadata,
  Report,
  TreeHead,
  TrustedBundle,
  TrustFile,
  UnknownCheck,
  UnknownReport,
  UnprovenDecision,
  ValidReport,
} from "./pkg/clearproof_verifier.js";
export type { Progress, Verifier, VerifierOptions, VerifyFileOptions, VerifyOptions } from "./verifier.js";
export type { WasmSource } from "./wasm/compile.js";
