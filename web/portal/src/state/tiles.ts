/**
 * A log as tiles (c2sp.org/tlog-tiles), and the file that shows a window of it: an evidence file without proofs
 * (docs/evidence.cddl), with the inclusion and consistency proofs that docs/design/log.md describes. Nothing is judged
 * here. Whatever a service gives, and whatever is made of it, is refused by the verifier unless it leads to the root that
 * the log signed.
 */

import { type Item, decode, encode, listOf } from "../worker/cbor.js";

/** Fetches a path of the log, of at most so many bytes. */
export type FetchPath = (path: string, mostBytes: number) => Promise<Uint8Array>;

/** What a checkpoint says before anybody has checked it. */
export interface Head {
  readonly origin: string;
  readonly size: number;
}

/** The first two lines of a signed note; undefined where it has none. */
export function headOf(note: Uint8Array): Head | undefined {
  const [origin, size] = new TextDecoder().decode(note).split("\n", 2);
  const whole = /^(0|[1-9]\d{0,15})$/.test(size ?? "") ? Number(size) : NaN;
  return origin !== undefined && Number.isSafeInteger(whole) ? { origin, size: whole } : undefined;
}

export class Tiles {
  /** Tiles and bytes that were fetched so far. */
  fetched = 0;
  fetchedBytes = 0;
  readonly #fetch: FetchPath;
  /** By path: a tile of a width never changes. The oldest goes first. */
  readonly #tiles = new Map<string, Promise<Uint8Array>>();

  constructor(fetch: FetchPath) {
    this.#fetch = fetch;
  }

  /**
   * The file that shows the entries from `from` on in the tree of the checkpoint, and its growth since an earlier one.
   *
   * @throws {Error} when a tile cannot be fetched or has not the length that it must have.
   */
  async window(checkpoint: Uint8Array, from: number, earlier: Uint8Array | undefined): Promise<Uint8Array<ArrayBuffer>> {
    const head = headOf(checkpoint);
    if (head === undefined || from >= head.size) {
      throw new RangeError("the log's checkpoint names no tree with these entries");
    }
    if ((crypto as { readonly subtle?: SubtleCrypto }).subtle === undefined) {
      throw new Error("This page is not served securely, so that the browser computes no hashes; open it over https or from a disk.");
    }
    const { origin, size } = head;
    const entries = new Map<number, Uint8Array>();
    for (let seq = from; seq < size; seq += 1) {
      entries.set(seq, await this.#entry(seq, size));
    }
    for (const seq of [...entries.values()].flatMap(namedLifecycle)) {
      if (seq < from && !entries.has(seq)) {
        entries.set(seq, await this.#entry(seq, size));
      }
    }
    const known = [...entries.keys()].sort((a, b) => a - b);
    const inclusion: Uint8Array[] = [];
    await this.#pushSet(0, size, known, size, inclusion);
    const growth: Uint8Array[] = [];
    const before = earlier && headOf(earlier);
    if (before !== undefined && before.size > 0 && before.size <= size) {
      await this.#pushConsistency(before.size, 0, size, true, size, growth);
    }
    return encode(
      map({
        0: int(1),
        1: list([]),
        2: { kind: "text", value: origin },
        3: list([]),
        4: list([
          bytes(checkpoint),
          int(from),
          int(size),
          list(known.map((seq) => bytes(entries.get(seq) ?? new Uint8Array()))),
          bytes(joined(inclusion)),
          list(earlier === undefined ? [] : [bytes(earlier), bytes(joined(growth))]),
          list([]),
          list([]),
        ]),
      }),
    );
  }

  async #entry(seq: number, size: number): Promise<Uint8Array> {
    const index = Math.floor(seq / WIDTH);
    const width = Math.min(WIDTH, size - index * WIDTH);
    const bundle = await this.#tile("entries", index, width, width * (2 + MOST_ENTRY));
    let at = 0;
    for (let entry = index * WIDTH; ; entry += 1) {
      const start = at + 2;
      at = start + (bundle[at] ?? NaN) * 256 + (bundle[at + 1] ?? NaN);
      if (!(at <= bundle.length)) {
        throw new Error(`the service's tile of entries ${(index * WIDTH).toString()} and following ends too early`);
      }
      if (entry === seq) {
        return bundle.subarray(start, at);
      }
    }
  }

  /** The root of the full subtree of 2^level leaves. A tile holds those of each eighth level. */
  async #node(level: number, index: number, size: number): Promise<Uint8Array> {
    const [high, low] = [Math.floor(level / 8), level % 8];
    const first = index * 2 ** low;
    const tile = Math.floor(first / WIDTH);
    const width = Math.min(WIDTH, Math.floor(size / 256 ** high) - tile * WIDTH);
    const hashes = await this.#tile(high.toString(), tile, width, width * HASH_BYTES);
    if (hashes.length !== width * HASH_BYTES) {
      throw new Error(`the service's tile ${tilePath(high.toString(), tile, width)} has not ${width.toString()} hashes`);
    }
    const at = (first - tile * WIDTH) * HASH_BYTES;
    let row = Array.from({ length: 2 ** low }, (_, n) => hashes.subarray(at + n * HASH_BYTES, at + (n + 1) * HASH_BYTES));
    while (row.length > 1) {
      row = await Promise.all(
        Array.from({ length: row.length / 2 }, (_, n) => nodeHash(row[2 * n] ?? EMPTY, row[2 * n + 1] ?? EMPTY)),
      );
    }
    return row[0] ?? EMPTY;
  }

  #tile(level: string, index: number, width: number, mostBytes: number): Promise<Uint8Array> {
    const path = tilePath(level, index, width);
    const held = this.#tiles.get(path);
    if (held !== undefined) {
      return held;
    }
    const fetched = this.#fetch(path, mostBytes).then((tile) => {
      this.fetched += 1;
      this.fetchedBytes += tile.length;
      return tile;
    });
    this.#tiles.set(path, fetched);
    fetched.catch(() => this.#tiles.delete(path));
    for (const oldest of this.#tiles.keys()) {
      if (this.#tiles.size <= MOST_TILES) {
        break;
      }
      this.#tiles.delete(oldest);
    }
    return fetched;
  }

  /** The proof that the leaves at `known` stand in the subtree of `count` leaves from `start` on. */
  async #pushSet(start: number, count: number, known: readonly number[], size: number, proof: Uint8Array[]): Promise<void> {
    if (known.length === 0) {
      proof.push(await this.#subtree(start, count, size));
    } else if (count > 1 && known.length < count) {
      const half = split(count);
      await this.#pushSet(start, half, known.filter((seq) => seq < start + half), size, proof);
      await this.#pushSet(start + half, count - half, known.filter((seq) => seq >= start + half), size, proof);
    }
  }

  /** The proof of RFC 6962 that the first `old` leaves of the subtree are what they were. */
  async #pushConsistency(old: number, start: number, count: number, first: boolean, size: number, proof: Uint8Array[]): Promise<void> {
    if (old === count) {
      if (!first) {
        proof.push(await this.#subtree(start, count, size));
      }
      return;
    }
    const half = split(count);
    if (old <= half) {
      await this.#pushConsistency(old, start, half, first, size, proof);
      proof.push(await this.#subtree(start + half, count - half, size));
    } else {
      await this.#pushConsistency(old - half, start + half, count - half, false, size, proof);
      proof.push(await this.#subtree(start, half, size));
    }
  }

  async #subtree(start: number, count: number, size: number): Promise<Uint8Array> {
    const half = split(count);
    if (count === 1 || 2 * half === count) {
      return this.#node(Math.log2(count), start / count, size);
    }
    return nodeHash(await this.#subtree(start, half, size), await this.#subtree(start + half, count - half, size));
  }
}

/** Index of the lifecycle entry that a decision names. */
function namedLifecycle(entry: Uint8Array): number[] {
  try {
    const [kind, , , lifecycle] = listOf(decode(entry));
    const [index] = listOf(lifecycle);
    return kind?.kind === "int" && kind.value === 1n && index?.kind === "int" ? [Number(index.value)] : [];
  } catch {
    return [];
  }
}

/** `tile/0/x001/x234/067.p/8` */
function tilePath(level: string, index: number, width: number): string {
  const digits = index.toString();
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.{3}/g) ?? [];
  const path = groups.map((group, at) => (at + 1 < groups.length ? `x${group}` : group)).join("/");
  return `tile/${level}/${path}${width < WIDTH ? `.p/${width.toString()}` : ""}`;
}

/** The largest power of two below the count; 1 for 1. */
function split(count: number): number {
  let half = 1;
  while (half * 2 < count) {
    half *= 2;
  }
  return half;
}

async function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined([Uint8Array.of(1), left, right])));
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function int(value: number): Item {
  return { kind: "int", value: BigInt(value) };
}

function bytes(value: Uint8Array): Item {
  return { kind: "bytes", value };
}

function list(items: Item[]): Item {
  return { kind: "list", items };
}

function map(fields: Readonly<Record<number, Item>>): Item {
  return { kind: "map", entries: Object.entries(fields).map(([key, value]) => [int(Number(key)), value]) };
}

const EMPTY = new Uint8Array();
/** Hashes or entries of a full tile. */
const WIDTH = 256;
const HASH_BYTES = 32;
/** docs/log.cddl */
const MOST_ENTRY = 65_535;
const MOST_TILES = 256;
