/** What the browser keeps between visits: pinned files and keys, checkpoints that were seen, and files if that is wanted. */

import type { GivenFile } from "../worker/messages.js";

/** A pinned `verifier.bin`. What its bytes say is read from them anew at each start. */
export interface StoredBundle {
  readonly kind: "bundle";
  /** SHA-256 of the file, in hex. */
  readonly id: string;
  readonly fileName: string;
  readonly bytes: Uint8Array;
}

/** A pinned `roster.json`; the id is the roster's SHA-256. */
export interface StoredRoster {
  readonly kind: "roster";
  readonly id: string;
  readonly fileName: string;
  readonly bytes: Uint8Array;
}

/** A pinned key of a log or a witness, `NAME+ID+KEY`. */
export interface StoredKey {
  readonly kind: "log" | "witness";
  readonly id: string;
}

export type StoredPin = StoredBundle | StoredRoster | StoredKey;

/** A checkpoint of a log whose signature was checked under a pinned key. */
export interface SeenCheckpoint {
  readonly origin: string;
  readonly size: string;
  readonly root: string;
  /** When this browser saw it first, Unix time in milliseconds. */
  readonly seenMs: number;
}

const PINS = "pinned";
const CHECKPOINTS = "checkpoints";
const FILES = "files";

export class Database {
  #database: IDBDatabase | undefined;

  /** Opens it. Without one (a private window, say), what is pinned lasts as long as the page. */
  static async open(): Promise<Database> {
    const opened = new Database();
    try {
      const request = indexedDB.open("clearproof-portal", 2);
      request.addEventListener("upgradeneeded", ({ oldVersion }) => {
        if (oldVersion < 1) {
          request.result.createObjectStore(PINS, { keyPath: ["kind", "id"] });
          request.result.createObjectStore(CHECKPOINTS, { keyPath: ["origin", "size", "root"] });
        }
        request.result.createObjectStore(FILES, { autoIncrement: true });
      });
      const database = await settled(request);
      // A later version of the page in another tab must not wait for this one.
      database.addEventListener("versionchange", () => {
        database.close();
        opened.#database = undefined;
      });
      opened.#database = database;
    } catch {
      opened.#database = undefined;
    }
    return opened;
  }

  /** Whether anything outlives the page. */
  get remembers(): boolean {
    return this.#database !== undefined;
  }

  async pins(): Promise<StoredPin[]> {
    return (await this.#all(PINS)).filter(isPin);
  }

  async putPin(pin: StoredPin): Promise<void> {
    await this.#run(PINS, "readwrite", (store) => store.put(pin));
  }

  async removePin({ kind, id }: Pick<StoredPin, "kind" | "id">): Promise<void> {
    await this.#run(PINS, "readwrite", (store) => store.delete([kind, id]));
  }

  async checkpoints(): Promise<SeenCheckpoint[]> {
    return (await this.#all(CHECKPOINTS)).filter(isCheckpoint);
  }

  async putCheckpoint(seen: SeenCheckpoint): Promise<void> {
    await this.#run(CHECKPOINTS, "readwrite", (store) => store.put(seen));
  }

  async forgetCheckpoints(): Promise<void> {
    await this.#run(CHECKPOINTS, "readwrite", (store) => store.clear());
  }

  /** Kept files, in their order. */
  async files(): Promise<GivenFile[]> {
    return (await this.#all(FILES)).filter(isFile);
  }

  /** Keeps these files in place of others, all or none; false where there is no room. */
  async putFiles(files: readonly GivenFile[]): Promise<boolean> {
    if (this.#database === undefined) {
      return files.length === 0;
    }
    try {
      const transaction = this.#database.transaction(FILES, "readwrite");
      const store = transaction.objectStore(FILES);
      store.clear();
      for (const { name, blob } of files) {
        store.add({ name, blob });
      }
      await completed(transaction);
      return true;
    } catch {
      // What was kept before is another judgement's: nothing is better than that.
      await this.#run(FILES, "readwrite", (store) => store.clear());
      return false;
    }
  }

  async #all(name: string): Promise<unknown[]> {
    return (await this.#run(name, "readonly", (store) => store.getAll() as IDBRequest<unknown[]>)) ?? [];
  }

  /** What fails is not kept: a full disk must not keep anybody from checking. */
  async #run<T>(name: string, mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    try {
      return this.#database && (await settled(work(this.#database.transaction(name, mode).objectStore(name))));
    } catch {
      this.#database = undefined;
      return undefined;
    }
  }
}

function isPin(value: unknown): value is StoredPin {
  if (typeof value !== "object" || value === null || !("id" in value) || typeof value.id !== "string" || !("kind" in value)) {
    return false;
  }
  if (value.kind === "bundle" || value.kind === "roster") {
    return "fileName" in value && typeof value.fileName === "string" && "bytes" in value && value.bytes instanceof Uint8Array;
  }
  return value.kind === "log" || value.kind === "witness";
}

function isFile(value: unknown): value is GivenFile {
  return typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" && "blob" in value && value.blob instanceof Blob;
}

function isCheckpoint(value: unknown): value is SeenCheckpoint {
  const texts = ["origin", "size", "root"] as const;
  return (
    typeof value === "object" &&
    value !== null &&
    texts.every((name) => typeof (value as Record<string, unknown>)[name] === "string") &&
    "seenMs" in value &&
    typeof value.seenMs === "number"
  );
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => {
      resolve();
    });
    for (const name of ["abort", "error"] as const) {
      transaction.addEventListener(name, () => {
        reject(transaction.error ?? new Error("the browser's store failed"));
      });
    }
  });
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => {
      resolve(request.result);
    });
    request.addEventListener("error", () => {
      reject(request.error ?? new Error("the browser's store failed"));
    });
    request.addEventListener("blocked", () => {
      reject(new Error("another tab holds the browser's store"));
    });
  });
}
