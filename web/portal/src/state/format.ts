/** Sizes, durations, times and digests as people read them. */

import { message, number } from "./messages.svelte.js";

export function fileSize(bytes: number): string {
  if (bytes < 1000) {
    return message("unit.bytes", { n: bytes });
  }
  return bytes < 1_000_000
    ? message("unit.kilobytes", { n: (bytes / 1000).toFixed(1) })
    : message("unit.megabytes", { n: (bytes / 1_000_000).toFixed(1) });
}

export function duration(milliseconds: number): string {
  if (milliseconds < 0.1) {
    return message("unit.instant");
  }
  if (milliseconds < 1000) {
    return message("unit.milliseconds", { n: milliseconds.toFixed(milliseconds < 10 ? 1 : 0) });
  }
  return milliseconds < 120_000
    ? message("unit.seconds", { n: (milliseconds / 1000).toFixed(2) })
    : message("unit.minutes", { n: (milliseconds / 60_000).toFixed(1) });
}

/** A length of time that divides a chart: `5 s`, `5 min`, `1 h`, `1 d`. */
export function bucketName(milliseconds: number): string {
  const minutes = milliseconds / 60_000;
  if (minutes < 1) {
    return message("unit.seconds", { n: number(Math.round(milliseconds / 1000)) });
  }
  if (minutes < 60) {
    return message("unit.minutes", { n: number(Math.round(minutes * 10) / 10) });
  }
  return minutes < 1440
    ? message("unit.hours", { n: number(minutes / 60) })
    : message("unit.days", { n: number(Math.round(minutes / 1440)) });
}

/** `2026-11-22 02:36:52`, in UTC; nothing for a time that no calendar has. */
export function utc(ms: number): string {
  return inCalendar(ms) ? new Date(ms).toISOString().slice(0, 19).replace("T", " ") : "";
}

/** The same instant by the reader's clock. */
export function local(ms: number): string {
  return inCalendar(ms) ? LOCAL.format(new Date(ms)) : "";
}

/** `3f9a4c11aa…07c2e5d1`: enough of a digest to compare at a glance. */
export function shortDigest(hex: string): string {
  return hex.length > 20 ? `${hex.slice(0, 10)}…${hex.slice(-8)}` : hex;
}

/** A digest in groups of four, so that a person can compare it with a printed one. */
export function grouped(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, "$1 ");
}

/** `97.5 %`; a dash where there is nothing to divide by. */
export function percent(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;
}

/** A measured or stated quantity: three digits that count, `1e-5` where it is small. */
export function figure(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(2).replace(/\.?0+e/, "e") : FIGURES.format(value);
}

/** The text with a capital and a full stop. */
export function sentence(text: string): string {
  return text === "" ? text : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** JSON with line breaks; any other text as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}

/** Gives the reader a file. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}

function inCalendar(ms: number): boolean {
  return Number.isFinite(ms) && ms >= 0 && ms <= 253_402_300_799_999;
}

const FIGURES = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const LOCAL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
