/** Where a chart over time stands, and what its axes say. */

import { utc } from "../state/format.js";

/** Values of one kind, one a bar. */
export interface Series {
  readonly name: string;
  readonly className: string;
  readonly values: readonly number[];
}

export const HEIGHT = 240;
export const LEFT = 56;
export const BOTTOM = 34;
export const TOP = 12;
const LABEL_PX = 92;

/** Round numbers from 0 to one that nothing is above. */
export function ticksOf(highest: number): number[] {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, highest)));
  const most = [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((round) => round >= highest) ?? highest;
  const steps = most % 4 === 0 ? 4 : most % 2 === 0 ? 2 : 1;
  return Array.from({ length: steps + 1 }, (_, index) => (most * index) / steps);
}

/** A point in time, as precisely as the buckets are long. */
export function bucketTime(ms: number, bucketMs: number): string {
  return bucketMs < MINUTE ? utc(ms) : bucketMs < DAY ? utc(ms).slice(0, 16) : utc(ms).slice(0, 10);
}

/** The same under an axis, without what all have in common. */
export function axisTime(ms: number, bucketMs: number): string {
  return bucketMs < MINUTE ? utc(ms).slice(11) : bucketMs < DAY ? utc(ms).slice(5, 16) : utc(ms).slice(0, 10);
}

/** Every how many labels there is room for one. */
export function labelStep(count: number, width: number): number {
  return Math.max(1, Math.ceil((count * LABEL_PX) / Math.max(LABEL_PX, width - LEFT)));
}

/** The middle of a label that stays inside the drawing. */
export function labelX(x: number, width: number): number {
  return Math.min(x, width - LABEL_PX / 2 + 8);
}

const MINUTE = 60_000;
const DAY = 86_400_000;
