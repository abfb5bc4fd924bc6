/** The decisions of all files as one list, and what the table asks of it. */

import type { DecisionRecord, RecordMetadata, Report, UnprovenDecision } from "@clearproof/verifier";

/** How far a decision is proved. */
export type Status = "proved" | "waiting" | "development";

/** A line of the table. */
export interface Row {
  /** Names the record in an address: its sequence number, or where it stands in its file. */
  readonly key: string;
  readonly file: number;
  readonly seq: string | null;
  readonly timeMs: number | null;
  readonly model: string;
  readonly bundle: string;
  readonly status: Status;
  /** What was decided, in words, or the released values. */
  readonly decision: string;
  readonly compliant: boolean | null;
  readonly symbol: string;
  readonly metadata: RecordMetadata | null;
}

/** Which rows are wanted; an empty text does not narrow. Times are Unix times in milliseconds, `untilMs` excluded. */
export interface Query {
  readonly fromMs: number | null;
  readonly untilMs: number | null;
  readonly symbol: string;
  readonly decision: "" | "approved" | "declined" | "other";
  readonly bundle: string;
  readonly status: "" | Status;
  readonly text: string;
  readonly newestFirst: boolean;
}

/** What a person can choose from. */
export interface Facets {
  readonly symbols: readonly string[];
  readonly models: readonly { readonly bundle: string; readonly name: string }[];
  readonly statuses: readonly Status[];
  readonly fromMs: number | null;
  readonly untilMs: number | null;
}

/** Where a row's facts are. */
type Source =
  | { readonly file: number; readonly proved: DecisionRecord }
  | { readonly file: number; readonly unproved: UnprovenDecision };

/** Names of the released values of pinned bundles, by fingerprint. */
export type ReleasedNames = ReadonlyMap<string, readonly string[]>;

export class Rows {
  readonly #sources: Source[] = [];
  readonly #keys: string[] = [];
  readonly #places = new Map<string, number>();
  readonly #symbols: string[] = [];
  readonly #names = new Map<string, string>();
  readonly #released: ReleasedNames;
  #asked: { readonly query: string; readonly found: Uint32Array } | undefined;

  constructor(reports: readonly Report[], released: ReleasedNames) {
    this.#released = released;
    reports.forEach((report, file) => {
      for (const { bundle, name } of [...(report.log?.lifecycle ?? []), ...report.models]) {
        if (name !== "") {
          this.#names.set(bundle, name);
        }
      }
      const sources: Source[] = [
        ...report.records.map((proved) => ({ file, proved })),
        ...(report.log?.unproven ?? []).map((unproved) => ({ file, unproved })),
      ];
      if (report.log !== null) {
        sources.sort((a, b) => seqOf(a) - seqOf(b));
      }
      for (const source of sources) {
        this.#add(source);
      }
    });
  }

  get length(): number {
    return this.#sources.length;
  }

  /** Position of the record with this key. */
  find(key: string): number | undefined {
    return this.#places.get(key);
  }

  /** The proof that covers a row; none where none does. */
  proved(index: number): DecisionRecord | undefined {
    const source = this.#sources[index];
    return source !== undefined && "proved" in source ? source.proved : undefined;
  }

  unproved(index: number): UnprovenDecision | undefined {
    const source = this.#sources[index];
    return source !== undefined && "unproved" in source ? source.unproved : undefined;
  }

  at(index: number): Row {
    const source = this.#sources[index];
    if (source === undefined) {
      throw new RangeError("there is no such row");
    }
    const facts = "proved" in source ? source.proved : source.unproved;
    const names = this.#released.get(facts.bundle) ?? [];
    return {
      key: this.#keys[index] ?? "",
      file: source.file,
      seq: facts.seq,
      timeMs: facts.timeMs === null ? null : Number(facts.timeMs),
      model: "proved" in source ? source.proved.model : (this.#names.get(facts.bundle) ?? facts.bundle.slice(0, 16)),
      bundle: facts.bundle,
      status: statusOf(source),
      decision: "proved" in source ? source.proved.decision : inWords(names, facts.released),
      compliant: "proved" in source ? source.proved.compliant : bit(names, facts.released),
      symbol: this.#symbols[index] ?? "",
      metadata: "proved" in source ? source.proved.metadata : null,
    };
  }

  /** Positions of the rows that a query wants, in its order. */
  select(query: Query): Uint32Array {
    const text = JSON.stringify(query);
    if (this.#asked?.query === text) {
      return this.#asked.found;
    }
    const needle = query.text.trim().toLowerCase();
    const found: number[] = [];
    for (let index = 0; index < this.length; index += 1) {
      if (this.#wanted(index, query, needle)) {
        found.push(index);
      }
    }
    if (query.newestFirst) {
      found.reverse();
    }
    const positions = Uint32Array.from(found);
    this.#asked = { query: text, found: positions };
    return positions;
  }

  facets(): Facets {
    const symbols = new Set<string>();
    const models = new Map<string, string>();
    const statuses = new Set<Status>();
    let [fromMs, untilMs]: [number | null, number | null] = [null, null];
    for (let index = 0; index < this.length; index += 1) {
      const row = this.at(index);
      if (row.symbol !== "" && symbols.size < MOST_SYMBOLS) {
        symbols.add(row.symbol);
      }
      models.set(row.bundle, row.model);
      statuses.add(row.status);
      if (row.timeMs !== null) {
        fromMs = Math.min(fromMs ?? row.timeMs, row.timeMs);
        untilMs = Math.max(untilMs ?? row.timeMs, row.timeMs + 1);
      }
    }
    return {
      symbols: [...symbols].sort(),
      models: [...models].map(([bundle, name]) => ({ bundle, name })),
      statuses: [...statuses],
      fromMs,
      untilMs,
    };
  }

  #add(source: Source): void {
    const facts = "proved" in source ? source.proved : source.unproved;
    const inFile =
      "proved" in source ? `p${source.proved.proof.toString()}-r${source.proved.row.toString()}` : `s${facts.seq ?? ""}`;
    // The same log may be in several files; the first has the short name.
    const short = facts.seq ?? "";
    const key = short !== "" && !this.#places.has(short) ? short : `f${source.file.toString()}-${inFile}`;
    this.#places.set(key, this.#sources.length);
    this.#keys.push(key);
    this.#symbols.push("proved" in source ? symbolOf(source.proved.metadata) : "");
    this.#sources.push(source);
  }

  #wanted(index: number, query: Query, needle: string): boolean {
    const row = this.at(index);
    const { timeMs } = row;
    return (
      (query.fromMs === null || (timeMs !== null && timeMs >= query.fromMs)) &&
      (query.untilMs === null || (timeMs !== null && timeMs < query.untilMs)) &&
      (query.symbol === "" || row.symbol === query.symbol) &&
      (query.bundle === "" || row.bundle === query.bundle) &&
      (query.status === "" || row.status === query.status) &&
      (query.decision === "" || query.decision === answerOf(row.compliant)) &&
      (needle === "" ||
        row.key === needle ||
        row.decision.toLowerCase().includes(needle) ||
        (row.metadata?.value.toLowerCase().includes(needle) ?? false) ||
        ("proved" in (this.#sources[index] ?? {}) && (this.proved(index)?.leaf.startsWith(needle) ?? false)))
    );
  }
}

export function answerOf(compliant: boolean | null): "approved" | "declined" | "other" {
  return compliant === null ? "other" : compliant ? "approved" : "declined";
}

function seqOf(source: Source): number {
  return Number("proved" in source ? source.proved.seq : source.unproved.seq);
}

function statusOf(source: Source): Status {
  return "proved" in source ? "proved" : source.unproved.development ? "development" : "waiting";
}

function bit(names: readonly string[], released: readonly string[]): boolean | null {
  const value = released[names.indexOf("decision")];
  return value === "1" ? true : value === "0" ? false : null;
}

function inWords(names: readonly string[], released: readonly string[]): string {
  return released
    .map((value, index) => {
      const name = names[index];
      if (name === "decision" && (value === "0" || value === "1")) {
        return value === "1" ? "approved" : "declined";
      }
      return name === undefined ? value : `${name} = ${value}`;
    })
    .join(", ");
}

/** The symbol in metadata that is a JSON object, or in a line `TIME SYMBOL SIDE`. */
export function symbolOf({ kind, value }: RecordMetadata): string {
  if (kind !== "text") {
    return "";
  }
  if (value.startsWith("{")) {
    try {
      const parsed: unknown = JSON.parse(value);
      const symbol = typeof parsed === "object" && parsed !== null && "symbol" in parsed ? parsed.symbol : undefined;
      return typeof symbol === "string" ? symbol : "";
    } catch {
      return "";
    }
  }
  return /^\d{4}-\d{2}-\d{2}T[\d:.]+Z (\S{1,32})(?: |$)/.exec(value)?.[1] ?? "";
}

const MOST_SYMBOLS = 500;
