/** The given files, kept in this browser for a reload if the auditor wants that, and removed when they no longer do. */

import type { GivenFile } from "../worker/messages.js";
import type { Database } from "./database.js";

export class KeptFiles {
  /** Whether files are to be kept. */
  wanted = $state(false);
  /** What is kept now: number of files, undefined while they are being written. */
  count = $state<number | undefined>(0);
  /** The browser refused, for want of room most often. */
  refused = $state(false);
  readonly #database: Database;
  #given: readonly GivenFile[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  /** Files of an earlier page. */
  async restore(): Promise<readonly GivenFile[]> {
    this.wanted = stored();
    const files = this.wanted ? await this.#database.files() : [];
    this.#given = files;
    this.count = files.length;
    return files;
  }

  async want(wanted: boolean): Promise<void> {
    this.wanted = wanted;
    try {
      if (wanted) {
        localStorage.setItem(STORED, "yes");
      } else {
        localStorage.removeItem(STORED);
      }
    } catch {
      // A browser that keeps nothing is told apart below.
    }
    await this.#write();
  }

  /** These are the files at hand from now on. */
  async hold(files: readonly GivenFile[]): Promise<void> {
    if (files !== this.#given) {
      this.#given = files;
      if (this.wanted) {
        await this.#write();
      }
    }
  }

  async #write(): Promise<void> {
    const files = this.wanted ? this.#given : [];
    this.count = undefined;
    const kept = await this.#database.putFiles(files);
    // Something newer is being written already.
    if (files === this.#given || !this.wanted) {
      this.count = kept ? files.length : 0;
      this.refused = this.wanted && !kept;
    }
  }
}

function stored(): boolean {
  try {
    return localStorage.getItem(STORED) === "yes";
  } catch {
    return false;
  }
}

const STORED = "clearproof.keep-files";
