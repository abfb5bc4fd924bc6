/** What a program sees: options, verifier, progress. */

import { drawsPage, processors } from "#platform";
import { localChannel } from "./engine.js";
import { VerificationError } from "./errors.js";
import { type Groth16Inputs, type Groth16Key, type Groth16Proof, groth16Bytes, named } from "./groth16.js";
import { type EvidenceFile, type EvidenceSource, lengthOf, pieces } from "./input.js";
import type { Channel, Settings } from "./messages.js";
import type { Groth16Report, Report, TrustFile } from "./pkg/clearproof_verifier.js";
import { Pool, stopIfAborted } from "./pool.js";
import { type WasmSource, compile } from "./wasm/compile.js";
import { workerChannel } from "./worker-channel.js";

/** What reports rest on, and how the work is done. */
export interface VerifierOptions {
  /** The contents of the `verifier.bin` files that you pinned. Without one, no evidence is more than "unknown". */
  readonly trust: readonly Uint8Array[];
  /** Keys of logs that you pinned, `origin+id+key`. */
  readonly logKeys?: readonly string[];
  /** Keys of witnesses that you pinned. */
  readonly witnessKeys?: readonly string[];
  /** Accepts proofs under the development reference string, which anybody can forge. For trials only. */
  readonly allowInsecureDevSrs?: boolean;
  /** The WebAssembly module, where the one of this package cannot be found or shall not be used. */
  readonly wasm?: WasmSource | Promise<WasmSource>;
  /**
   * Workers to use at most; 0: this thread. Without it, in a page and with `@clearproof/verifier/worker` one for each
   * processor up to four, otherwise 0. A worker starts when there is work for it.
   */
  readonly workers?: number;
  /** Starts a worker from `@clearproof/verifier/worker-script.js`, for pages that forbid `worker-src blob:`. */
  readonly worker?: () => Worker;
  /** Most bytes of one file or one batch; 256,000,000 without it. */
  readonly maxBytes?: number;
}

/** How far a verification is. */
export interface Progress {
  readonly bytesRead: number;
  /** Null where a stream does not tell. */
  readonly totalBytes: number | null;
  readonly filesChecked: number;
  readonly totalFiles: number;
}

/** Of one verification. */
export interface VerifyOptions {
  /** Stops it, at once where workers do it, else between two files of a batch. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Of the verification of one file. */
export interface VerifyFileOptions extends VerifyOptions {
  /** The name that the report shall carry; `evidence` without it. */
  readonly name?: string;
}

/** Judges evidence against what was pinned when it was made. */
export interface Verifier {
  /** The version of the verifier. */
  readonly version: string;
  /**
   * Judges one evidence file. Bad evidence is a report with verdict `invalid`, never an error.
   *
   * @throws {VerificationError} when there is no report.
   */
  verify(bytes: EvidenceSource, options?: VerifyFileOptions): Promise<Report>;
  /**
   * Judges many files, on all workers; one report each, in their order. Proofs are checked together, which takes
   * less time than one by one.
   *
   * @throws {VerificationError} when there is no report.
   */
  verifyAll(files: readonly EvidenceFile[], options?: VerifyOptions): Promise<Report[]>;
  /**
   * Judges a Groth16 proof over BN254 under a key that you supply.
   *
   * @throws {VerificationError} when there is no report.
   */
  verifyGroth16(
    key: Groth16Key,
    proof: Groth16Proof,
    publicInputs: Groth16Inputs,
    options?: Pick<VerifyOptions, "signal">,
  ): Promise<Groth16Report>;
  /** Says what pinning a `verifier.bin` would pin. */
  describeTrust(bytes: Uint8Array): Promise<TrustFile>;
  /** Ends the workers; whatever is going on fails with code `closed`. */
  close(): void;
}

/** What the entries of the package differ in. */
export interface Surroundings {
  readonly ownModule: () => WasmSource | Promise<WasmSource>;
  /** Whether workers are used even where no page waits. */
  readonly alwaysWorkers: boolean;
}

export async function makeVerifier(options: VerifierOptions, surroundings: Surroundings): Promise<Verifier> {
  const settings: Settings = {
    trust: bytesList(options.trust),
    logKeys: stringList("logKeys", options.logKeys),
    witnessKeys: stringList("witnessKeys", options.witnessKeys),
    allowInsecureDevSrs: options.allowInsecureDevSrs === true,
  };
  const workers = workersOf(options, surroundings);
  const maxBytes = wholeNumber("maxBytes", options.maxBytes ?? 256_000_000, 1);
  const module = await compile(options.wasm ?? surroundings.ownModule());
  const open = (): Channel => (workers === 0 ? localChannel() : workerChannel(options.worker));
  const pool = new Pool(Math.max(1, workers), open, module, settings);
  try {
    // The first engine says whether the settings can be used.
    await pool.run(() => Promise.resolve());
    return new PooledVerifier(pool, maxBytes);
  } catch (error) {
    pool.close();
    throw error;
  }
}

class PooledVerifier implements Verifier {
  readonly version: string;
  readonly #pool: Pool;
  readonly #maxBytes: number;

  constructor(pool: Pool, maxBytes: number) {
    this.#pool = pool;
    this.version = pool.version;
    this.#maxBytes = maxBytes;
  }

  async verify(bytes: EvidenceSource, options: VerifyFileOptions = {}): Promise<Report> {
    const [report] = await this.verifyAll([{ name: options.name ?? "evidence", bytes }], options);
    if (report === undefined) {
      throw new VerificationError("verifier-broken", "There is no report on the file.");
    }
    return report;
  }

  async verifyAll(files: readonly EvidenceFile[], options: VerifyOptions = {}): Promise<Report[]> {
    const { signal, onProgress } = options;
    const lengths = files.map(({ bytes }) => lengthOf(bytes));
    const totalBytes = lengths.reduce<number | null>(
      (sum, length) => (sum === null || length === undefined ? null : sum + length),
      0,
    );
    let bytesRead = 0;
    let filesChecked = 0;
    const tell = (): void => onProgress?.({ bytesRead, totalBytes, filesChecked, totalFiles: files.length });
    const read = (bytes: number): void => {
      bytesRead += bytes;
      if (bytesRead > this.#maxBytes) {
        throw new VerificationError("too-large", `There are more than ${this.#maxBytes.toString()} bytes.`);
      }
    };
    stopIfAborted(signal);
    if (totalBytes !== null && totalBytes > this.#maxBytes) {
      read(totalBytes);
    }
    // When one batch has no reports, there is no use in the others.
    const others = new AbortController();
    const either = AbortSignal.any(signal === undefined ? [others.signal] : [others.signal, signal]);
    const batches = batchesOf(files, this.#pool.size);
    const judged = batches.map((batch) =>
      this.#pool.run(async (channel) => {
        for (const { name, bytes } of batch) {
          await channel.ask("begin", { name, bytes: Math.min(lengthOf(bytes) ?? 0, this.#maxBytes) });
          for await (const { chunk, owned } of pieces(bytes)) {
            stopIfAborted(either);
            read(chunk.length);
            const { buffer } = chunk;
            const whole = owned && buffer instanceof ArrayBuffer && buffer.byteLength === chunk.length;
            tell();
            await channel.ask("append", { chunk }, whole ? [buffer] : []);
          }
        }
        tell();
        const reports = await channel.ask("judge", {});
        filesChecked += reports.length;
        tell();
        return reports;
      }, either),
    );
    try {
      return (await Promise.all(judged)).flat();
    } catch (error) {
      others.abort();
      await Promise.allSettled(judged);
      throw error;
    }
  }

  async verifyGroth16(
    key: Groth16Key,
    proof: Groth16Proof,
    publicInputs: Groth16Inputs,
    options: Pick<VerifyOptions, "signal"> = {},
  ): Promise<Groth16Report> {
    const { bytes, problems } = groth16Bytes(key, proof, publicInputs);
    const report = await this.#pool.run((channel) => channel.ask("groth16", bytes), options.signal);
    return named(report, problems);
  }

  describeTrust(bytes: Uint8Array): Promise<TrustFile> {
    return this.#pool.run((channel) => channel.ask("describe", { bytes }));
  }

  close(): void {
    this.#pool.close();
  }
}

/** Batches large enough that checking together pays, and small enough that every engine has some. */
function batchesOf(files: readonly EvidenceFile[], engines: number): EvidenceFile[][] {
  const size = Math.min(MOST_FILES, Math.max(1, Math.ceil(files.length / engines)));
  return Array.from({ length: Math.ceil(files.length / size) }, (_, index) =>
    files.slice(index * size, (index + 1) * size),
  );
}

const MOST_FILES = 128;
const MOST_WORKERS = 4;

function workersOf(options: VerifierOptions, { alwaysWorkers }: Surroundings): number {
  const wanted = alwaysWorkers || drawsPage() || options.worker !== undefined;
  const usual = wanted ? Math.max(1, Math.min(MOST_WORKERS, processors())) : 0;
  return wholeNumber("workers", options.workers ?? usual, alwaysWorkers ? 1 : 0);
}

function wholeNumber(name: string, value: unknown, least: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
    throw new VerificationError("bad-option", `${name} must be a whole number of at least ${least.toString()}.`);
  }
  return value;
}

function bytesList(list: unknown): readonly Uint8Array[] {
  if (!Array.isArray(list) || !list.every((bytes) => bytes instanceof Uint8Array)) {
    throw new VerificationError("bad-option", "trust must be a list of Uint8Arrays, the verifier.bin files that you pinned.");
  }
  return list;
}

function stringList(name: string, list: unknown): readonly string[] {
  if (list === undefined) {
    return [];
  }
  if (!Array.isArray(list) || !list.every((text) => typeof text === "string")) {
    throw new VerificationError("bad-option", `${name} must be a list of strings.`);
  }
  return list;
}
