/** Ways to falsify an evidence file. Each is what a cheat would try; the verifier says what it makes of the result. */

import { EvidenceParts } from "./evidence-parts.js";

export const TAMPERINGS = ["byte", "decision", "swap", "remove", "time", "metadata", "proof", "entry", "checkpoint"] as const;

/** Those of a training certificate. */
export const TRAINING_TAMPERINGS = ["byte", "signature", "outcome", "party", "update", "norm", "sum", "round", "noise", "spent", "model", "constraint", "deployment"] as const;

export type TrainingTampering = (typeof TRAINING_TAMPERINGS)[number];
export type Tampering = (typeof TAMPERINGS)[number] | TrainingTampering;

/** What a person chooses for it. */
export type Operand = "none" | "byte" | "record" | "records" | "party" | "parties";

/** What to do; `at` is a byte's offset, a record's position among all rows or a party's, `other` a second one. */
export interface TamperAction {
  readonly tampering: Tampering;
  readonly at: number;
  readonly other: number;
}

/** What a file offers to a cheat. */
export interface Offers {
  readonly bytes: number;
  /** Rows of the proofs, all together. */
  readonly rows: number;
  /** Names of a training's parties. */
  readonly parties: readonly string[];
  readonly possible: readonly Tampering[];
}

export function operandOf(tampering: Tampering): Operand {
  switch (tampering) {
    case "byte":
      return "byte";
    case "swap":
      return "records";
    case "decision":
    case "remove":
    case "time":
    case "metadata":
    case "proof":
      return "record";
    case "signature":
      return "parties";
    case "party":
      return "party";
    default:
      return "none";
  }
}

export function offers(bytes: Uint8Array): Offers {
  const parts = EvidenceParts.read(bytes);
  const proofs = parts?.proofs ?? [];
  const rows = proofs.reduce((sum, proof) => sum + proof.rows, 0);
  const able: Readonly<Record<(typeof TAMPERINGS)[number], boolean>> = {
    byte: bytes.length > 0,
    decision: rows > 0,
    swap: proofs.some((proof) => proof.rows > 1),
    remove: rows > 0,
    time: proofs.some((proof) => proof.place(0).length > 0),
    metadata: proofs.some((proof) => proof.shown(0) !== undefined),
    proof: rows > 0,
    entry: (parts?.entries.length ?? 0) > 0,
    checkpoint: parts?.checkpoint !== undefined,
  };
  return { bytes: bytes.length, rows, parties: [], possible: TAMPERINGS.filter((name) => able[name]) };
}

/** The falsified file; undefined where there is nothing of that kind to falsify. */
export function tamper(bytes: Uint8Array, { tampering, at, other }: TamperAction): Uint8Array<ArrayBuffer> | undefined {
  if (tampering === "byte") {
    return flipped(bytes, Math.min(at, bytes.length - 1));
  }
  const parts = EvidenceParts.read(bytes);
  if (parts === undefined) {
    return undefined;
  }
  if (tampering === "entry") {
    const { entries } = parts;
    entries.splice(Math.min(at, entries.length - 1), 1);
    return parts.bytes();
  }
  if (tampering === "checkpoint") {
    const note = parts.checkpoint;
    if (note === undefined) {
      return undefined;
    }
    parts.replaceCheckpoint(largerTree(note));
    return parts.bytes();
  }
  const found = rowAt(parts, at);
  if (found === undefined) {
    return undefined;
  }
  const { proof, row } = found;
  switch (tampering) {
    case "decision": {
      const [value] = proof.released(row);
      if (value?.kind !== "int") {
        return undefined;
      }
      value.value = value.value === 0n ? 1n : 0n;
      break;
    }
    case "swap": {
      const second = rowAt(parts, other);
      const partner = second?.proof === proof && second.row !== row ? second.row : row === 0 ? 1 : row - 1;
      if (partner >= proof.rows) {
        return undefined;
      }
      proof.swap(row, partner);
      break;
    }
    case "remove":
      proof.remove(row);
      break;
    case "time": {
      const time = proof.place(row)[1];
      if (time?.kind !== "int") {
        return undefined;
      }
      time.value += 60_000n;
      break;
    }
    case "metadata": {
      const shown = proof.shown(row);
      if (shown === undefined) {
        return undefined;
      }
      shown.value = changedText(shown.value);
      break;
    }
    case "proof": {
      const old = proof.proof;
      if (old === undefined) {
        return undefined;
      }
      proof.replaceProof(flipped(old, Math.floor(old.length / 3)));
      break;
    }
    default:
      return undefined;
  }
  return parts.bytes();
}

/** Position of the first difference, and how many bytes differ. */
export function difference(before: Uint8Array, after: Uint8Array): { readonly first: number; readonly bytes: number } {
  const shorter = Math.min(before.length, after.length);
  let first = -1;
  let bytes = Math.abs(before.length - after.length);
  for (let index = 0; index < shorter; index += 1) {
    if (before[index] !== after[index]) {
      bytes += 1;
      if (first < 0) {
        first = index;
      }
    }
  }
  return { first: first < 0 ? shorter : first, bytes };
}

function rowAt(parts: EvidenceParts, at: number) {
  let before = 0;
  for (const proof of parts.proofs) {
    if (at < before + proof.rows) {
      return { proof, row: at - before };
    }
    before += proof.rows;
  }
  const last = parts.proofs.at(-1);
  return last === undefined || last.rows === 0 ? undefined : { proof: last, row: last.rows - 1 };
}

/** The bytes with one bit changed. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Another symbol, side or time: the first letter or digit changes. */
function changedText(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  const at = copy.findIndex((byte) => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a));
  const index = at < 0 ? 0 : at;
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}

/** The note with a tree of one entry more, signed as before. */
function largerTree(note: Uint8Array): Uint8Array {
  const lines = new TextDecoder().decode(note).split("\n");
  lines[1] = (BigInt(/^\d+$/.test(lines[1] ?? "") ? (lines[1] ?? "0") : "0") + 1n).toString();
  return new TextEncoder().encode(lines.join("\n"));
}
