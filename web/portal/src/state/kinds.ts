/** What a given file is, by its first bytes. */

import type { GivenFile } from "../worker/messages.js";

export interface Sorted {
  readonly certificates: readonly GivenFile[];
  /** Everything else: what is no evidence either is invalid evidence. */
  readonly evidence: readonly GivenFile[];
}

export async function sorted(files: readonly GivenFile[]): Promise<Sorted> {
  const certificates: GivenFile[] = [];
  const evidence: GivenFile[] = [];
  for (const file of files) {
    const head = new Uint8Array(await file.blob.slice(0, HEAD).arrayBuffer());
    (isCertificate(head) ? certificates : evidence).push(file);
  }
  return { certificates, evidence };
}

/** A training certificate (docs/training.cddl): four items, the first of them bytes that hold seven, the first of those 1. */
function isCertificate(head: Uint8Array): boolean {
  const [outer, length = 0] = head;
  const size = { 0x58: 1, 0x59: 2, 0x5a: 4, 0x5b: 8 }[length] ?? 0;
  return outer === 0x84 && length >> 5 === 2 && head[2 + size] === 0x87 && head[3 + size] === 1;
}

const HEAD = 12;
