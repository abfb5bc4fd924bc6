/** Ways to falsify a training certificate (docs/training.cddl): what a party, or who passes it on, would try. */

import { type Item, decode, encode, listOf } from "./cbor.js";
import { type Offers, type TamperAction, type TrainingTampering, TRAINING_TAMPERINGS, flipped } from "./tamper.js";

export function trainingOffers(bytes: Uint8Array): Offers {
  const parts = CertificateParts.read(bytes);
  const rounds = parts?.rounds.length ?? 0;
  const able: Readonly<Record<TrainingTampering, boolean>> = {
    byte: bytes.length > 0,
    signature: (parts?.signatures.length ?? 0) > 1,
    outcome: rounds > 1,
    party: rounds > 0,
    update: (parts?.contributions.length ?? 0) > 1,
    norm: parts?.hasNormProofs === true,
    sum: rounds > 0,
    round: rounds > 1,
    noise: parts?.hasTerms === true,
    spent: parts?.spent.length === SPENT_ITEMS,
    model: parts?.model?.value.length === DIGEST_BYTES,
    constraint: parts?.publicInputs !== undefined,
    deployment: parts?.commitment !== undefined,
  };
  return { bytes: bytes.length, rows: 0, parties: parts?.names ?? [], possible: TRAINING_TAMPERINGS.filter((name) => able[name]) };
}

/** The falsified certificate; undefined where there is nothing of that kind to falsify. */
export function tamperTraining(bytes: Uint8Array, { tampering, at, other }: TamperAction): Uint8Array<ArrayBuffer> | undefined {
  if (tampering === "byte") {
    return flipped(bytes, Math.min(at, bytes.length - 1));
  }
  const parts = CertificateParts.read(bytes);
  if (parts === undefined || !change(parts, tampering, at, other)) {
    return undefined;
  }
  return parts.bytes();
}

/** Whether there was something to change. */
function change(parts: CertificateParts, tampering: TamperAction["tampering"], at: number, other: number): boolean {
  switch (tampering) {
    case "signature":
      return parts.exchangeSignatures(at, other);
    case "outcome":
      return exchange(parts.outcomes, 0, 1);
    case "party":
      return parts.replaceKey(at, FOREIGN_KEY);
    case "update":
      return parts.exchangeUpdates();
    case "norm":
      return parts.bendNormProof();
    case "sum":
      return bent(parts.sum, 0);
    case "round":
      return parts.outcomes.pop() !== undefined && parts.rounds.pop() !== undefined;
    case "noise":
      return parts.halveNoise();
    case "spent":
      return parts.halveSpent();
    case "model":
      return bent(parts.model, 0);
    case "constraint":
      // The lowest byte of the first input, little-endian: it stays a number of the field.
      return bent(parts.publicInputs, 0);
    case "deployment":
      return bent(parts.commitment, 0);
    default:
      return false;
  }
}

type Bytes = Extract<Item, { kind: "bytes" }>;

/** A certificate, open for changes. */
class CertificateParts {
  readonly #certificate: readonly Item[];
  readonly #body: readonly Item[];
  readonly #tree: Item;
  readonly #bodyTree: Item;

  private constructor(tree: Item, bodyTree: Item) {
    this.#tree = tree;
    this.#bodyTree = bodyTree;
    this.#certificate = listOf(tree);
    this.#body = listOf(bodyTree);
  }

  /** Undefined where the bytes are not of that shape. */
  static read(bytes: Uint8Array): CertificateParts | undefined {
    try {
      const tree = decode(bytes);
      const body = bytesAt(listOf(tree), 0);
      return body === undefined ? undefined : new CertificateParts(tree, decode(body.value));
    } catch {
      return undefined;
    }
  }

  get rounds(): Item[] {
    return listOf(this.#body[1]);
  }

  /** Of each round, signatures on its sum. */
  get outcomes(): Item[] {
    return listOf(this.#certificate[1]);
  }

  /** Signatures on the body. */
  get signatures(): Item[] {
    return listOf(this.#certificate[2]);
  }

  /** Encoded contributions of the first round. */
  get contributions(): Item[] {
    return listOf(listOf(this.rounds[0])[2]);
  }

  /** Names of the roster. */
  get names(): string[] {
    const [manifest] = this.#manifests();
    return listOf(manifest?.items[ROSTER]).map((party) => {
      const [name] = listOf(party);
      return name?.kind === "text" ? name.value : "";
    });
  }

  /** Whether the first round's updates have norm proofs. */
  get hasNormProofs(): boolean {
    const [first] = this.contributions;
    return first?.kind === "bytes" && (bytesAt(read(first.value), NORM_PROOF)?.value.length ?? 0) > 0;
  }

  /** SHA-256 of the first round's sum. */
  get sum(): Bytes | undefined {
    return bytesAt(listOf(this.rounds[0]), 4);
  }

  /** Whether privacy is promised. */
  get hasTerms(): boolean {
    return this.#manifests().some(({ items }) => (bytesAt(items, TERMS)?.value.length ?? 0) > 0);
  }

  get spent(): Item[] {
    return listOf(this.#body[5]);
  }

  get model(): Bytes | undefined {
    return bytesAt(this.#body, 6);
  }

  /** Public inputs of the first constraint's proof. */
  get publicInputs(): Bytes | undefined {
    return bytesAt(listOf(listOf(this.#body[4])[0]), 5);
  }

  /** The compiled model's commitment. */
  get commitment(): Bytes | undefined {
    return bytesAt(listOf(this.#certificate[3]), 1);
  }

  /** Two signatures on the body change places; the parties stay where they are. */
  exchangeSignatures(one: number, other: number): boolean {
    const of = (party: number): Item[] | undefined =>
      this.signatures.map((item) => listOf(item)).find(([position]) => position?.kind === "int" && position.value === BigInt(party));
    const [first, second] = [of(one), of(other)];
    const [a, b] = [first?.[1], second?.[1]];
    if (first === undefined || second === undefined || first === second || a === undefined || b === undefined) {
      return false;
    }
    [first[1], second[1]] = [b, a];
    return true;
  }

  /** Another signing key under a party's name, in every round. */
  replaceKey(party: number, key: Uint8Array): boolean {
    return this.#changeManifests((manifest) => {
      const entry = listOf(listOf(manifest[ROSTER])[party]);
      if (entry.length < 2) {
        return false;
      }
      entry[1] = { kind: "bytes", value: key };
      return true;
    });
  }

  /** In the first round, the first two committed updates change places. */
  exchangeUpdates(): boolean {
    const [one, other] = this.contributions;
    if (one?.kind !== "bytes" || other?.kind !== "bytes") {
      return false;
    }
    const [first, second] = [read(one.value), read(other.value)];
    const [a, b] = [first?.[0], second?.[0]];
    if (first === undefined || second === undefined || a === undefined || b === undefined) {
      return false;
    }
    [first[0], second[0]] = [b, a];
    one.value = encode({ kind: "list", items: first });
    other.value = encode({ kind: "list", items: second });
    return true;
  }

  /** One bit of the first update's norm proof. */
  bendNormProof(): boolean {
    const [holder] = this.contributions;
    const contribution = holder?.kind === "bytes" ? read(holder.value) : undefined;
    if (holder?.kind !== "bytes" || contribution === undefined || !bent(bytesAt(contribution, NORM_PROOF), 1 / 3)) {
      return false;
    }
    holder.value = encode({ kind: "list", items: contribution });
    return true;
  }

  /** Half of the variance that each party's noise is said to have. */
  halveNoise(): boolean {
    return this.#changeManifests((manifest) => {
      const holder = bytesAt(manifest, TERMS);
      const terms = holder === undefined ? undefined : read(holder.value);
      const variance = terms?.[VARIANCE];
      if (holder === undefined || terms === undefined || variance?.kind !== "int") {
        return false;
      }
      variance.value /= 2n;
      holder.value = encode({ kind: "list", items: terms });
      return true;
    });
  }

  /** Half of the loss that is stated, by both accountants. */
  halveSpent(): boolean {
    const [, epsilon, renyi] = this.spent;
    if (epsilon?.kind !== "int" || renyi?.kind !== "int") {
      return false;
    }
    epsilon.value = halved(epsilon.value);
    renyi.value = halved(renyi.value);
    return true;
  }

  /** The file as it is now. */
  bytes(): Uint8Array<ArrayBuffer> {
    const holder = bytesAt(this.#certificate, 0);
    if (holder !== undefined) {
      holder.value = encode(this.#bodyTree);
    }
    return encode(this.#tree);
  }

  /** The manifests of rounds and of aborted attempts, each with the item that holds its bytes. */
  #manifests(): { readonly holder: Bytes; readonly items: Item[] }[] {
    const holders = [...this.rounds.map((round) => listOf(round)[0]), ...listOf(this.#body[2])];
    return holders.flatMap((holder) => {
      const items = holder?.kind === "bytes" ? read(holder.value) : undefined;
      return holder?.kind !== "bytes" || items === undefined ? [] : [{ holder, items }];
    });
  }

  #changeManifests(change: (manifest: Item[]) => boolean): boolean {
    const manifests = this.#manifests();
    const changed = manifests.filter(({ items }) => change(items));
    for (const { holder, items } of changed) {
      holder.value = encode({ kind: "list", items });
    }
    return changed.length > 0;
  }
}

/** The items of an encoded list. */
function read(bytes: Uint8Array): Item[] | undefined {
  try {
    const tree = decode(bytes);
    return tree.kind === "list" ? tree.items : undefined;
  } catch {
    return undefined;
  }
}

function bytesAt(items: readonly Item[] | undefined, at: number): Bytes | undefined {
  const item = items?.[at];
  return item?.kind === "bytes" ? item : undefined;
}

/** Flips a bit of the item, at a part of its length. */
function bent(item: Bytes | undefined, part: number): boolean {
  if (item === undefined || item.value.length === 0) {
    return false;
  }
  item.value = flipped(item.value, Math.floor(part * item.value.length));
  return true;
}

function exchange(items: Item[], one: number, other: number): boolean {
  const [a, b] = [items[one], items[other]];
  if (a === undefined || b === undefined) {
    return false;
  }
  [items[one], items[other]] = [b, a];
  return true;
}

/** Half of a number that is given by its IEEE 754 bits. */
function halved(bits: bigint): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  view.setFloat64(0, view.getFloat64(0) / 2);
  return view.getBigUint64(0);
}

/** Positions in a manifest, in its terms and in a contribution. */
const ROSTER = 5;
const TERMS = 16;
const VARIANCE = 7;
const NORM_PROOF = 4;
const SPENT_ITEMS = 6;
const DIGEST_BYTES = 32;
/** A well-formed Ed25519 key that anybody can sign with: the first test vector of RFC 8032. */
const FOREIGN_KEY = Uint8Array.from(
  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".match(/../g) ?? [],
  (pair) => Number.parseInt(pair, 16),
);
