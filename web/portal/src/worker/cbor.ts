/**
 * The CBOR of evidence files (docs/evidence.cddl), as a tree that can be changed and written again. Only what such a
 * file holds: definite lengths, no tags, no floats. It is for trying to break a file; verdicts are the verifier's.
 */

export type Item =
  | { readonly kind: "int"; value: bigint }
  | { readonly kind: "bytes"; value: Uint8Array }
  | { readonly kind: "text"; value: string }
  | { readonly kind: "list"; items: Item[] }
  | { readonly kind: "map"; entries: [Item, Item][] };

/** The file is no such CBOR. */
export class CborError extends Error {}

/** @throws {CborError} */
export function decode(bytes: Uint8Array): Item {
  const reader = new Reader(bytes);
  const item = reader.item(0);
  if (reader.at !== bytes.length) {
    throw new CborError("there are bytes after the end");
  }
  return item;
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  item(depth: number): Item {
    if (depth > MAX_DEPTH) {
      throw new CborError("it is nested too deeply");
    }
    const first = this.#take(1);
    const major = (this.#bytes[first] ?? 0) >> 5;
    const argument = this.#argument((this.#bytes[first] ?? 0) & 31);
    switch (major) {
      case 0:
        return { kind: "int", value: argument };
      case 1:
        return { kind: "int", value: -1n - argument };
      case 2:
      case 3: {
        const start = this.#take(Number(argument));
        const value = this.#bytes.subarray(start, this.at);
        return major === 2 ? { kind: "bytes", value } : { kind: "text", value: new TextDecoder().decode(value) };
      }
      case 4:
        return { kind: "list", items: this.#many(argument, depth) };
      case 5: {
        const items = this.#many(2n * argument, depth);
        const entries: [Item, Item][] = [];
        for (let index = 0; index + 1 < items.length; index += 2) {
          const [key, value] = [items[index], items[index + 1]];
          if (key !== undefined && value !== undefined) {
            entries.push([key, value]);
          }
        }
        return { kind: "map", entries };
      }
      default:
        throw new CborError("it holds a type that evidence does not have");
    }
  }

  #many(count: bigint, depth: number): Item[] {
    // Every item takes a byte: no list is longer than what is left.
    if (count > BigInt(this.#bytes.length - this.at)) {
      throw new CborError("a list is longer than the file");
    }
    const items: Item[] = [];
    for (let index = 0; index < Number(count); index += 1) {
      items.push(this.item(depth + 1));
    }
    return items;
  }

  #argument(low: number): bigint {
    if (low < 24) {
      return BigInt(low);
    }
    switch (low) {
      case 24:
        return BigInt(this.#view.getUint8(this.#take(1)));
      case 25:
        return BigInt(this.#view.getUint16(this.#take(2)));
      case 26:
        return BigInt(this.#view.getUint32(this.#take(4)));
      case 27:
        return this.#view.getBigUint64(this.#take(8));
      default:
        throw new CborError("it holds a length that evidence does not have");
    }
  }

  #take(count: number): number {
    const start = this.at;
    if (!(count <= this.#bytes.length - start)) {
      throw new CborError("the file ends too early");
    }
    this.at += count;
    return start;
  }
}

/** The tree in its one encoding. */
export function encode(item: Item): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  write(item, parts);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function write(item: Item, parts: Uint8Array[]): void {
  switch (item.kind) {
    case "int":
      parts.push(item.value < 0n ? head(1, -1n - item.value) : head(0, item.value));
      return;
    case "bytes":
      parts.push(head(2, item.value.length), item.value);
      return;
    case "text": {
      const bytes = new TextEncoder().encode(item.value);
      parts.push(head(3, bytes.length), bytes);
      return;
    }
    case "list":
      parts.push(head(4, item.items.length));
      for (const inner of item.items) {
        write(inner, parts);
      }
      return;
    case "map":
      parts.push(head(5, item.entries.length));
      for (const [key, value] of item.entries) {
        write(key, parts);
        write(value, parts);
      }
  }
}

function head(major: number, argument: bigint | number): Uint8Array {
  const value = BigInt(argument);
  const lead = major << 5;
  if (value < 24n) {
    return Uint8Array.of(lead | Number(value));
  }
  const width = value < 1n << 8n ? 1 : value < 1n << 16n ? 2 : value < 1n << 32n ? 4 : 8;
  const bytes = new Uint8Array(1 + width);
  bytes[0] = lead | (24 + Math.log2(width));
  for (let index = width; index > 0; index -= 1) {
    bytes[index] = Number((value >> BigInt(8 * (width - index))) & 255n);
  }
  return bytes;
}

/** The value under a number of a map. */
export function field(item: Item | undefined, key: number): Item | undefined {
  if (item?.kind !== "map") {
    return undefined;
  }
  return item.entries.find(([name]) => name.kind === "int" && name.value === BigInt(key))?.[1];
}

/** The items of a list; none if it is no list. */
export function listOf(item: Item | undefined): Item[] {
  return item?.kind === "list" ? item.items : [];
}

const MAX_DEPTH = 16;
