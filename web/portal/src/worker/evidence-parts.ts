/** The parts of an evidence file that are moved around: rows of proofs, and the window's entries (docs/evidence.cddl). */

import { type Item, decode, encode, field, listOf } from "./cbor.js";

const PROOFS = 3;
const WINDOW = 4;
const COMMITMENTS = 1;
const PUBLIC = 2;
const RELEASED = 3;
const METADATA = 5;
const DISCLOSURES = 6;
const PROOF = 7;
const LOGGED = 8;
const HASH_BYTES = 32;

/** An evidence file, open for changes. */
export class EvidenceParts {
  readonly #tree: Item;
  readonly proofs: readonly ProofParts[];

  private constructor(tree: Item) {
    this.#tree = tree;
    this.proofs = listOf(field(tree, PROOFS)).map((proof) => new ProofParts(proof));
  }

  /** Undefined where the bytes are not of that shape. */
  static read(bytes: Uint8Array): EvidenceParts | undefined {
    try {
      const tree = decode(bytes);
      return tree.kind === "map" ? new EvidenceParts(tree) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Entries of the window that no proof's row stands for. */
  get entries(): Item[] {
    return listOf(listOf(field(this.#tree, WINDOW))[3]);
  }

  /** The signed note of the window's checkpoint. */
  get checkpoint(): Uint8Array | undefined {
    const note = listOf(field(this.#tree, WINDOW))[0];
    return note?.kind === "bytes" ? note.value : undefined;
  }

  replaceCheckpoint(value: Uint8Array): void {
    const window = listOf(field(this.#tree, WINDOW));
    window[0] = { kind: "bytes", value };
  }

  /** The file as it is now. */
  bytes(): Uint8Array<ArrayBuffer> {
    return encode(this.#tree);
  }

  /** One file for a proof by itself: the same bundles, the same statement, no window. */
  alone(proof: number): Uint8Array<ArrayBuffer> | undefined {
    const one = listOf(field(this.#tree, PROOFS))[proof];
    if (this.#tree.kind !== "map" || one === undefined) {
      return undefined;
    }
    const entries = this.#tree.entries
      .filter(([key]) => !(key.kind === "int" && key.value === BigInt(WINDOW)))
      .map(([key, value]): [Item, Item] =>
        key.kind === "int" && key.value === BigInt(PROOFS) ? [key, { kind: "list", items: [one] }] : [key, value],
      );
    return encode({ kind: "map", entries });
  }
}

/** A proof with its rows. */
export class ProofParts {
  readonly #item: Item;

  constructor(item: Item) {
    this.#item = item;
  }

  get rows(): number {
    return listOf(field(this.#item, METADATA)).length;
  }

  /** The proof's bytes. */
  get proof(): Uint8Array | undefined {
    const item = field(this.#item, PROOF);
    return item?.kind === "bytes" ? item.value : undefined;
  }

  replaceProof(value: Uint8Array): void {
    const item = field(this.#item, PROOF);
    if (item?.kind === "bytes") {
      item.value = value;
    }
  }

  /** Released values of a row. */
  released(row: number): Item[] {
    const all = listOf(field(this.#item, RELEASED));
    const each = all.length / Math.max(1, this.rows);
    return all.slice(row * each, (row + 1) * each);
  }

  /** Metadata that is shown as it is, or with its own salt. */
  shown(row: number): { value: Uint8Array } | undefined {
    const item = listOf(field(this.#item, METADATA))[row];
    if (item?.kind === "bytes") {
      return item;
    }
    const alone = listOf(item)[1];
    return alone?.kind === "bytes" ? alone : undefined;
  }

  /** Sequence number, time and lifecycle entry of a row. */
  place(row: number): Item[] {
    return listOf(listOf(listOf(field(this.#item, LOGGED))[1])[row]);
  }

  /** Lets two rows change their places; which of them stands where in the log stays. */
  swap(a: number, b: number): void {
    this.#reorder((order) => {
      [order[a], order[b]] = [order[b] ?? b, order[a] ?? a];
      return order;
    });
  }

  /** Takes a row out. */
  remove(row: number): void {
    const places = listOf(listOf(field(this.#item, LOGGED))[1]);
    places.splice(row, 1);
    this.#reorder((order) => order.filter((index) => index !== row));
  }

  #reorder(change: (order: number[]) => number[]): void {
    const rows = this.rows;
    const order = change(Array.from({ length: rows }, (_, index) => index));
    const commitments = field(this.#item, COMMITMENTS);
    if (commitments?.kind === "bytes") {
      const old = commitments.value;
      const value = new Uint8Array(order.length * HASH_BYTES);
      order.forEach((from, to) => {
        value.set(old.subarray(from * HASH_BYTES, (from + 1) * HASH_BYTES), to * HASH_BYTES);
      });
      commitments.value = value;
    }
    const released = field(this.#item, RELEASED);
    if (released?.kind === "list") {
      const each = released.items.length / Math.max(1, rows);
      const old = released.items;
      released.items = order.flatMap((from) => old.slice(from * each, (from + 1) * each));
    }
    for (const key of [PUBLIC, METADATA]) {
      const list = field(this.#item, key);
      if (list?.kind === "list") {
        const old = list.items;
        list.items = order.flatMap((from) => old[from] ?? []);
      }
    }
    // A disclosure names its row; one of a row that is gone goes too.
    const disclosures = field(this.#item, DISCLOSURES);
    if (disclosures?.kind === "list") {
      const moved = disclosures.items.flatMap((item) => {
        const [row] = listOf(item);
        const to = row?.kind === "int" ? order.indexOf(Number(row.value)) : -1;
        return to < 0 ? [] : [{ to, rest: listOf(item).slice(1) }];
      });
      moved.sort((a, b) => a.to - b.to);
      disclosures.items = moved.map(({ to, rest }) => ({
        kind: "list",
        items: [{ kind: "int", value: BigInt(to) }, ...rest],
      }));
      if (moved.length === 0 && this.#item.kind === "map") {
        this.#item.entries = this.#item.entries.filter(([key]) => !(key.kind === "int" && key.value === BigInt(DISCLOSURES)));
      }
    }
  }
}
