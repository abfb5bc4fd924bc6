/** The trust files that the auditor pinned, kept in this browser (IndexedDB) between visits. */

import type { TrustedBundle } from "@clearproof/verifier/inline";

/** One pinned `verifier.bin`: its bytes, and what the verifier read in them. */
export interface Pin {
  readonly fileName: string;
  readonly bytes: Uint8Array;
  readonly bundle: TrustedBundle;
}

/** What is stored. What the bytes say is read from them anew at each start. */
export interface StoredPin {
  readonly fingerprint: string;
  readonly fileName: string;
  readonly bytes: Uint8Array;
}

const STORE = "pins";

export class TrustStore {
  #database: IDBDatabase | undefined;

  /** Opens the store. Without one (a private window, say), pins last as long as the page. */
  static async open(): Promise<TrustStore> {
    const store = new TrustStore();
    try {
      const request = indexedDB.open("clearproof", 1);
      request.addEventListener("upgradeneeded", () => {
        request.result.createObjectStore(STORE, { keyPath: "fingerprint" });
      });
      store.#database = await settled(request);
    } catch {
      store.#database = undefined;
    }
    return store;
  }

  /** Whether pins outlive the page. */
  get remembers(): boolean {
    return this.#database !== undefined;
  }

  async all(): Promise<StoredPin[]> {
    const stored: unknown[] = (await this.#run("readonly", (pins) => pins.getAll() as IDBRequest<unknown[]>)) ?? [];
    return stored.filter(isStoredPin);
  }

  async put(pin: StoredPin): Promise<void> {
    await this.#run("readwrite", (pins) => pins.put(pin));
  }

  async remove(fingerprint: string): Promise<void> {
    await this.#run("readwrite", (pins) => pins.delete(fingerprint));
  }

  async #run<T>(mode: IDBTransactionMode, work: (pins: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    return this.#database && (await settled(work(this.#database.transaction(STORE, mode).objectStore(STORE))));
  }
}

function isStoredPin(value: unknown): value is StoredPin {
  return (
    typeof value === "object" &&
    value !== null &&
    "fingerprint" in value &&
    typeof value.fingerprint === "string" &&
    "fileName" in value &&
    typeof value.fileName === "string" &&
    "bytes" in value &&
    value.bytes instanceof Uint8Array
  );
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => {
      resolve(request.result);
    });
    request.addEventListener("error", () => {
      reject(request.error ?? new Error("the browser's store failed"));
    });
  });
}
