/** Groth16 keys and proofs: bytes as arkworks writes them, or JSON as snarkjs does. */

import type { Groth16Bytes } from "./messages.js";
import type { Groth16Report } from "./pkg/clearproof_verifier.js";

/** `verification_key.json` of snarkjs. */
export interface SnarkjsVerificationKey {
  readonly protocol: string;
  readonly curve: string;
  readonly nPublic: number;
  readonly vk_alpha_1: readonly string[];
  readonly vk_beta_2: readonly (readonly string[])[];
  readonly vk_gamma_2: readonly (readonly string[])[];
  readonly vk_delta_2: readonly (readonly string[])[];
  readonly IC: readonly (readonly string[])[];
}

/** `proof.json` of snarkjs. */
export interface SnarkjsProof {
  readonly protocol: string;
  readonly curve: string;
  readonly pi_a: readonly string[];
  readonly pi_b: readonly (readonly string[])[];
  readonly pi_c: readonly string[];
}

/** A key: snarkjs' JSON, or `ark_groth16::VerifyingKey<Bn254>` by ark-serialize, compressed or not. */
export type Groth16Key = SnarkjsVerificationKey | Uint8Array;
/** A proof: snarkjs' JSON, or `ark_groth16::Proof<Bn254>` by ark-serialize, compressed or not. */
export type Groth16Proof = SnarkjsProof | Uint8Array;
/** Public inputs: snarkjs' `public.json`, numbers, or 32 bytes each, little-endian. */
export type Groth16Inputs = readonly (string | bigint)[] | Uint8Array;

/** What is malformed, by the check that fails for it. */
export type Problems = ReadonlyMap<string, string>;

/** Brings all into bytes. What is malformed becomes bytes that are refused, and is named in `problems`. */
export function groth16Bytes(
  key: Groth16Key,
  proof: Groth16Proof,
  inputs: Groth16Inputs,
): { readonly bytes: Groth16Bytes; readonly problems: Problems } {
  const problems = new Map<string, string>();
  const read = (check: string, value: unknown, parse: (value: unknown) => Uint8Array | string): Uint8Array => {
    const parsed = value instanceof Uint8Array ? value : parse(value);
    if (typeof parsed === "string") {
      problems.set(check, parsed);
      return new Uint8Array();
    }
    return parsed;
  };
  const arkworks = key instanceof Uint8Array;
  const bytes = {
    key: read("groth16.key", key, snarkjsKey),
    proof:
      arkworks === proof instanceof Uint8Array
        ? read("groth16.encoding", proof, snarkjsProof)
        : read("groth16.encoding", undefined, () => "key and proof are not written by the same tool"),
    inputs: read("groth16.inputs", inputs, publicInputs),
    arkworks,
  };
  return { bytes, problems };
}

/** The report, with what was malformed named where the check fails. */
export function named(report: Groth16Report, problems: Problems): Groth16Report {
  const checks = report.checks.map((check) => {
    const problem = problems.get(check.name);
    return problem === undefined || check.result === "passed" ? check : { ...check, reason: `Refused: ${problem}.` };
  });
  return { ...report, checks };
}

function snarkjsKey(value: unknown): Uint8Array | string {
  const key = record(value);
  const refused = refusedTool(key);
  if (refused !== undefined) {
    return refused;
  }
  const ic = key.IC;
  if (!Array.isArray(ic) || key.nPublic !== ic.length - 1 || ic.length > MAX_POINTS) {
    return `IC is not a list of nPublic + 1 points, of ${MAX_POINTS.toString()} at most`;
  }
  return joined({
    vk_alpha_1: g1(key.vk_alpha_1),
    vk_beta_2: g2(key.vk_beta_2),
    vk_gamma_2: g2(key.vk_gamma_2),
    vk_delta_2: g2(key.vk_delta_2),
    ...Object.fromEntries(ic.map((point: unknown, index) => [`IC[${index.toString()}]`, g1(point)])),
  });
}

function snarkjsProof(value: unknown): Uint8Array | string {
  const proof = record(value);
  return refusedTool(proof) ?? joined({ pi_a: g1(proof.pi_a), pi_b: g2(proof.pi_b), pi_c: g1(proof.pi_c) });
}

function publicInputs(value: unknown): Uint8Array | string {
  if (!Array.isArray(value) || value.length > MAX_POINTS) {
    return "the public inputs are no list, or a longer one than any key takes";
  }
  const inputs = value.map((input: unknown) => coordinate(typeof input === "bigint" ? input.toString() : input));
  return joined(Object.fromEntries(inputs.map((bytes, index) => [`public input ${index.toString()}`, bytes])));
}

function refusedTool(value: Record<string, unknown>): string | undefined {
  const curve = value.curve;
  return value.protocol === "groth16" && (curve === "bn128" || curve === "bn254")
    ? undefined
    : "it is not of protocol groth16 and curve bn128";
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function joined(parts: Record<string, Uint8Array | undefined>): Uint8Array | string {
  const all: Uint8Array[] = [];
  for (const [name, bytes] of Object.entries(parts)) {
    if (bytes === undefined) {
      return `${name} is not written canonically in decimal`;
    }
    all.push(bytes);
  }
  const whole = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of all) {
    whole.set(bytes, at);
    at += bytes.length;
  }
  return whole;
}

/** `[x, y, "1"]`, or the identity `["0", "1", "0"]`, as 64 bytes. */
function g1(point: unknown): Uint8Array | undefined {
  return affine(point, ["0", "1", "0"], "1", (element) => [element]);
}

/** `[[x0, x1], [y0, y1], ["1", "0"]]`, or the identity, as 128 bytes. */
function g2(point: unknown): Uint8Array | undefined {
  const identity = [
    ["0", "0"],
    ["1", "0"],
    ["0", "0"],
  ];
  return affine(point, identity, ["1", "0"], (element) =>
    Array.isArray(element) && element.length === 2 ? (element as unknown[]) : [undefined],
  );
}

function affine(
  point: unknown,
  identity: unknown,
  one: unknown,
  coordinates: (element: unknown) => readonly unknown[],
): Uint8Array | undefined {
  if (!Array.isArray(point) || point.length !== 3) {
    return undefined;
  }
  const [x, y, z] = point as unknown[];
  const wide = Array.isArray(one);
  if (same(point, identity)) {
    return new Uint8Array(wide ? 128 : 64);
  }
  const parts = [...coordinates(x), ...coordinates(y)].map(coordinate);
  const bytes = joined(Object.fromEntries(parts.map((part, index) => [`c${index.toString()}`, part])));
  return same(z, one) && typeof bytes !== "string" ? bytes : undefined;
}

function same(a: unknown, b: unknown): boolean {
  return Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((x, i) => same(x, b[i])) : a === b;
}

/** A decimal number as 32 bytes, little-endian; whether it is below the modulus is checked with the rest. */
function coordinate(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string" || !/^(0|[1-9][0-9]{0,77})$/.test(value)) {
    return undefined;
  }
  let rest = BigInt(value);
  const bytes = new Uint8Array(32);
  for (let index = 0; index < 32; index += 1) {
    bytes[index] = Number(rest & 255n);
    rest >>= 8n;
  }
  return rest === 0n ? bytes : undefined;
}

/** As in shared/src/groth16. */
const MAX_POINTS = (1 << 14) + 1;
