/** The part of snarkjs that the tests use; it comes without types. */
declare module "snarkjs" {
  import type { SnarkjsProof, SnarkjsVerificationKey } from "@clearproof/verifier";

  interface MemoryFile {
    type: string;
    data: Uint8Array;
  }
  type Key = SnarkjsVerificationKey;

  export const curves: { getCurveFromName(name: string): Promise<{ terminate(): Promise<void> }> };
  export const powersOfTau: {
    newAccumulator(curve: unknown, power: number, to: MemoryFile): Promise<unknown>;
    contribute(from: MemoryFile, to: MemoryFile, name: string, entropy: string): Promise<unknown>;
    preparePhase2(from: MemoryFile, to: MemoryFile): Promise<unknown>;
  };
  export const zKey: {
    newZKey(r1cs: MemoryFile, tau: MemoryFile, to: MemoryFile): Promise<unknown>;
    contribute(from: MemoryFile, to: MemoryFile, name: string, entropy: string): Promise<unknown>;
    exportVerificationKey(from: MemoryFile): Promise<Key>;
  };
  export const groth16: {
    prove(key: MemoryFile, witness: MemoryFile): Promise<{ proof: SnarkjsProof; publicSignals: string[] }>;
    verify(key: Key, publicSignals: readonly string[], proof: SnarkjsProof): Promise<boolean>;
  };
}
