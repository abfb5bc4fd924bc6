/** Counts over time and by model, for the charts. */

import { type Query, type Rows, type Status, answerOf } from "./rows.js";

export interface Tally {
  readonly approved: number;
  readonly declined: number;
  readonly other: number;
  readonly proved: number;
  readonly waiting: number;
  readonly development: number;
}

export interface Bucket extends Tally {
  /** Unix time in milliseconds. */
  readonly fromMs: number;
}

export interface Group extends Tally {
  readonly name: string;
  /** SHA-256 of the bundle, or a symbol. */
  readonly key: string;
}

export interface Overview {
  readonly all: Tally;
  /** Length of a bucket in milliseconds. */
  readonly bucketMs: number;
  readonly buckets: readonly Bucket[];
  readonly models: readonly Group[];
  readonly symbols: readonly Group[];
}

type Counts = Record<"approved" | "declined" | "other" | Status, number>;

export function overviewOf(rows: Rows, query: Query): Overview {
  const positions = rows.select(query);
  let [first, last] = [Infinity, -Infinity];
  const all = nothing();
  const models = new Map<string, Counts & { name: string }>();
  const symbols = new Map<string, Counts & { name: string }>();
  for (const position of positions) {
    const row = rows.at(position);
    if (row.timeMs !== null) {
      [first, last] = [Math.min(first, row.timeMs), Math.max(last, row.timeMs)];
    }
    count(all, row);
    count(grouped(models, row.bundle, row.model), row);
    if (row.symbol !== "" && (symbols.has(row.symbol) || symbols.size < MOST_GROUPS)) {
      count(grouped(symbols, row.symbol, row.symbol), row);
    }
  }
  const bucketMs = BUCKETS_MS.find((width) => (last - first) / width < MOST_BUCKETS) ?? Math.max(1, (last - first) / MOST_BUCKETS);
  const start = Math.floor(first / bucketMs) * bucketMs;
  const buckets: (Counts & { fromMs: number })[] = [];
  if (Number.isFinite(first)) {
    for (let fromMs = start; fromMs <= last; fromMs += bucketMs) {
      buckets.push({ ...nothing(), fromMs });
    }
    for (const position of positions) {
      const row = rows.at(position);
      const bucket = row.timeMs === null ? undefined : buckets[Math.floor((row.timeMs - start) / bucketMs)];
      if (bucket !== undefined) {
        count(bucket, row);
      }
    }
  }
  const groups = (map: ReadonlyMap<string, Counts & { name: string }>): Group[] =>
    [...map].map(([key, counts]) => ({ ...counts, key }));
  return { all, bucketMs, buckets, models: groups(models), symbols: groups(symbols) };
}

function nothing(): Counts {
  return { approved: 0, declined: 0, other: 0, proved: 0, waiting: 0, development: 0 };
}

function count(counts: Counts, row: { readonly compliant: boolean | null; readonly status: Status }): void {
  counts[answerOf(row.compliant)] += 1;
  counts[row.status] += 1;
}

function grouped(map: Map<string, Counts & { name: string }>, key: string, name: string): Counts {
  const known = map.get(key) ?? { ...nothing(), name };
  map.set(key, known);
  return known;
}

const SECONDS = [1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400, 604_800, 2_592_000];
const BUCKETS_MS = SECONDS.map((seconds) => seconds * 1000);
const MOST_BUCKETS = 48;
const MOST_GROUPS = 40;
