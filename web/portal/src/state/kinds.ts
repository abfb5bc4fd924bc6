/** What a given file is, by what it holds. */

import type { GivenFile } from "../worker/messages.js";
import { parseRoster } from "../worker/roster.js";

/** Files of this program's that are no evidence: some can be pinned, the rest say something of themselves only. */
export type OtherKind = "bundle" | "roster" | "keys" | "checkpoint" | "report" | "records";

export type FileKind = "certificate" | "evidence" | OtherKind;

export interface OtherFile {
  readonly file: GivenFile;
  readonly kind: OtherKind;
}

export interface Sorted {
  readonly certificates: readonly GivenFile[];
  /** Everything else: what is not known is judged as evidence, and then invalid. */
  readonly evidence: readonly GivenFile[];
  readonly others: readonly OtherFile[];
}

export async function sorted(files: readonly GivenFile[]): Promise<Sorted> {
  const certificates: GivenFile[] = [];
  const evidence: GivenFile[] = [];
  const others: OtherFile[] = [];
  for (const file of files) {
    const kind = await kindOf(file.blob);
    if (kind === "certificate") {
      certificates.push(file);
    } else if (kind === "evidence" || kind === undefined) {
      evidence.push(file);
    } else {
      others.push({ file, kind });
    }
  }
  return { certificates, evidence, others };
}

/** Undefined for what is none of them. Whether a file is whole and true is for the verifier to say. */
export async function kindOf(blob: Blob): Promise<FileKind | undefined> {
  const head = new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer());
  const binary = binaryKind(head);
  if (binary !== undefined) {
    return binary;
  }
  const start = new TextDecoder().decode(head).trimStart();
  if (start.startsWith("{")) {
    const roster = blob.size <= MOST_ROSTER_BYTES && parseRoster(new Uint8Array(await blob.arrayBuffer())) !== undefined;
    return roster ? "roster" : /"(verdict|checks|reports|verifier)":/.test(start) ? "report" : undefined;
  }
  if (/^<!doctype html>/i.test(start)) {
    return start.includes("clearproof") ? "report" : undefined;
  }
  if (start.startsWith(RECORDS_HEAD)) {
    return "records";
  }
  if (keyLines(head, blob.size).length > 0) {
    return "keys";
  }
  return /^\S[^\n]*\n\d+\n[A-Za-z0-9+/]{43}=\n(?:[^\n]*\n)*\u2014 /.test(start) ? "checkpoint" : undefined;
}

/** Lines like `NAME+ID+KEY`, where a small file holds nothing else. */
export function keyLines(bytes: Uint8Array, size = bytes.length): string[] {
  if (size > MOST_KEY_BYTES) {
    return [];
  }
  const lines = new TextDecoder().decode(bytes).split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.every((line) => /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(line)) ? lines : [];
}

/**
 * docs/evidence.cddl, docs/training.cddl. A certificate: four items, the first of them bytes that hold seven, the first
 * of those 1. Evidence and bundles: maps that begin with version 1 under 0, then under 1 a list or a name.
 */
function binaryKind(head: Uint8Array): FileKind | undefined {
  const [outer = 0, second, third, fourth, fifth = 0] = head;
  if (outer === 0x84 && (second ?? 0) >> 5 === 2) {
    const size = { 0x58: 1, 0x59: 2, 0x5a: 4, 0x5b: 8 }[second ?? 0] ?? 0;
    return head[2 + size] === 0x87 && head[3 + size] === 1 ? "certificate" : undefined;
  }
  if (outer >> 5 === 5 && second === 0 && third === 1 && fourth === 1) {
    return fifth >> 5 === 4 ? "evidence" : fifth >> 5 === 3 ? "bundle" : undefined;
  }
  return undefined;
}

const HEAD_BYTES = 16_384;
const MOST_KEY_BYTES = HEAD_BYTES;
const MOST_ROSTER_BYTES = 1 << 20;
/** The first columns of exported records. */
const RECORDS_HEAD = "seq,time_utc,decision,";
