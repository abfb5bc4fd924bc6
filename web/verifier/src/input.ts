/** Bytes from wherever they come, in pieces and within a limit. */

import { VerificationError, messageOf } from "./errors.js";

/** Evidence: whole, or from a file or a stream that is read as it comes. */
export type EvidenceSource = Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array>;

/** A file with the name that its report shall carry. */
export interface EvidenceFile {
  readonly name: string;
  readonly bytes: EvidenceSource;
}

/** Its length in bytes, if that is known before it is read. */
export function lengthOf(source: EvidenceSource): number | undefined {
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    return source.byteLength;
  }
  return source instanceof Blob ? source.size : undefined;
}

/** One piece; `owned` when nobody else holds its buffer. */
export interface Piece {
  readonly chunk: Uint8Array;
  readonly owned: boolean;
}

/** The pieces of a source; a stream is cancelled when the reader stops early. */
export async function* pieces(source: EvidenceSource): AsyncGenerator<Piece, void, undefined> {
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    const bytes = source instanceof Uint8Array ? source : new Uint8Array(source);
    for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
      yield { chunk: bytes.subarray(start, start + PIECE_BYTES), owned: false };
      if (start + PIECE_BYTES < bytes.length) {
        await breath();
      }
    }
    return;
  }
  const reader = (source instanceof Blob ? source.stream() : source).getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw new VerificationError("unreadable", messageOf(error), { cause: error });
      });
      if (done) {
        ended = true;
        return;
      }
      if (!(value instanceof Uint8Array)) {
        throw new VerificationError("unreadable", "The stream gives something else than bytes.");
      }
      yield { chunk: value, owned: source instanceof Blob };
    }
  } finally {
    if (!ended) {
      // The reader has stopped for a reason that is told already.
      await reader.cancel().catch(() => undefined);
    }
    reader.releaseLock();
  }
}

/** Lets a page draw, and an abort through. */
function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

const PIECE_BYTES = 4 << 20;
