/**
 * Evidence files about a log, made from nothing (docs/evidence.cddl, docs/log.cddl, RFC 6962, C2SP's signed notes): for files
 * that no honest service makes, and for very large ones. They hold no proof, so nothing in them is more than "cannot tell".
 */

import { createHash, generateKeyPairSync, sign } from "node:crypto";

/** @typedef {number | bigint | string | Buffer | CborList | Map<number, unknown>} Value */
/** @typedef {readonly unknown[]} CborList */

/** @param {number} major @param {number | bigint} argument */
export function head(major, argument) {
  const value = BigInt(argument);
  if (value < 24n) {
    return Buffer.of((major << 5) | Number(value));
  }
  const width = value < 1n << 8n ? 1 : value < 1n << 16n ? 2 : value < 1n << 32n ? 4 : 8;
  const bytes = Buffer.alloc(9);
  bytes.writeBigUInt64BE(value, 1);
  bytes[8 - width] = (major << 5) | (24 + Math.log2(width));
  return bytes.subarray(8 - width);
}

/** @param {unknown} value @returns {Buffer} */
export function cbor(value) {
  if (typeof value === "number" || typeof value === "bigint") {
    return value < 0 ? head(1, -1n - BigInt(value)) : head(0, value);
  }
  if (typeof value === "string") {
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  }
  if (Buffer.isBuffer(value)) {
    return Buffer.concat([head(2, value.length), value]);
  }
  if (Array.isArray(value)) {
    return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  }
  if (value instanceof Map) {
    return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, inner]) => [cbor(key), cbor(inner)])]);
  }
  throw new TypeError("no such CBOR here");
}

/** @param {...Buffer} parts */
function sha256(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) {
    hash.update(part);
  }
  return hash.digest();
}

const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** The root of RFC 6962's tree. @param {readonly Buffer[]} leaves @returns {Buffer} */
function rootOf(leaves) {
  const [only] = leaves;
  if (only !== undefined && leaves.length === 1) {
    return only;
  }
  let left = 1;
  while (left * 2 < leaves.length) {
    left *= 2;
  }
  return sha256(NODE, rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
}

/** A log's signing key. @param {string} origin */
export function logSigner(origin) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const typed = Buffer.concat([Buffer.of(1), raw]);
  const id = sha256(Buffer.from(`${origin}\n`), typed).subarray(0, 4);
  return {
    origin,
    /** What an auditor pins. */
    verifierKey: `${origin}+${id.toString("hex")}+${typed.toString("base64")}`,
    /** The signed note of a tree. @param {number} size @param {Buffer} root */
    checkpoint: (size, root) => {
      const text = `${origin}\n${size.toString()}\n${root.toString("base64")}\n`;
      const signature = sign(null, Buffer.from(text), privateKey);
      return Buffer.from(`${text}\n\u2014 ${origin} ${Buffer.concat([id, signature]).toString("base64")}\n`);
    },
  };
}

/** @typedef {ReturnType<typeof logSigner>} LogSigner */

/**
 * @typedef {object} LogTexts
 * @property {string} name
 * @property {string} by
 * @property {string} note
 */

/**
 * The entries of a log and their leaf hashes: a model registered and approved, then decisions without a proof.
 * @param {number} decisions
 * @param {LogTexts} texts
 * @param {number} [development] every so manieth is made for development
 */
export function logEntries(decisions, texts, development = 2) {
  const bundle = sha256(Buffer.from(texts.name));
  const start = 1_700_000_000_000;
  /** @type {Buffer[]} */
  const entries = [];
  /** @type {Buffer[]} */
  const leaves = [];
  const append = (/** @type {unknown} */ entry) => {
    const bytes = cbor(entry);
    entries.push(bytes);
    leaves.push(sha256(LEAF, bytes));
  };
  const none = Buffer.alloc(32);
  append([2, 0, start, [], [0], bundle, none, texts.name, texts.by, texts.note, [bundle], []]);
  append([2, 1, start + 1, [0, leaves[0]], [1], bundle, none, texts.name, texts.by, texts.note, [], [bundle]]);
  for (let index = 0; index < decisions; index += 1) {
    const seq = index + 2;
    const commitment = sha256(Buffer.from(`commitment ${seq.toString()}`));
    append([1, seq, start + seq * 1000, [1, leaves[1]], bundle, index % development === 0 ? 1 : 0, commitment, [index % 3 === 0 ? 0 : 1], none]);
  }
  return { entries, leaves };
}

/**
 * A whole log as one window.
 * @param {LogSigner} signer
 * @param {number} decisions
 * @param {LogTexts} texts
 * @param {number} [development] every so manieth is made for development
 */
export function logFile(signer, decisions, texts, development = 2) {
  const { entries, leaves } = logEntries(decisions, texts, development);
  const checkpoint = signer.checkpoint(leaves.length, rootOf(leaves));
  const window = [checkpoint, 0, leaves.length, entries, Buffer.alloc(0), [], [], []];
  return cbor(new Map(Object.entries({ 0: 1, 1: [], 2: signer.origin, 3: [], 4: window }).map(([key, value]) => [Number(key), value])));
}

/**
 * A log as tiles of c2sp.org/tlog-tiles, from the words of that text: levels of hashes over 256 of the level below.
 * @param {LogSigner} signer
 * @param {{ entries: readonly Buffer[], leaves: readonly Buffer[] }} log
 */
export function tiledLog(signer, { entries, leaves }) {
  /** @type {(readonly Buffer[])[]} */
  const levels = [leaves];
  for (let below = leaves; below.length >= 256; ) {
    const row = Array.from({ length: Math.floor(below.length / 256) }, (_, index) => rootOf(below.slice(index * 256, (index + 1) * 256)));
    levels.push(row);
    below = row;
  }
  return {
    /** @param {number} size */
    checkpoint: (size) => signer.checkpoint(size, rootOf(leaves.slice(0, size))),
    /** @param {string} path @param {number} size of the tree that is asked about @returns {Buffer | undefined} */
    tile: (path, size) => {
      const found = /^tile\/(entries|\d+)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/.exec(path);
      const [level, index, width] = [found?.[1] ?? "", Number((found?.[2] ?? "").replace(/[x/]/g, "")), Number(found?.[3] ?? 256)];
      const list = level === "entries" ? entries.map((entry) => Buffer.concat([Buffer.of(entry.length >> 8, entry.length & 255), entry])) : levels[Number(level)];
      const complete = level === "entries" ? size : Math.floor(size / 256 ** Number(level));
      const there = found !== null && list !== undefined && index * 256 + width <= complete && (width === 256 || index * 256 + width === complete);
      return there ? Buffer.concat(list.slice(index * 256, index * 256 + width)) : undefined;
    },
  };
}
