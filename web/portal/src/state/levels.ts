/** The four things that a log can show, told apart; see SOUNDNESS conditions 18 and 19. */

import type { Check, TreeHead } from "@clearproof/verifier";
import type { LogSummary, Summary } from "../worker/messages.js";
import type { SeenCheckpoint } from "./database.js";

export type LevelName = "inclusion" | "growth" | "witnesses" | "content";

/** What is said of a level; the words are in the message catalogue, `level.NAME.STATE`. */
export interface Level {
  readonly name: LevelName;
  readonly result: Check["result"];
  readonly state: string;
  /** Sizes, for the sentence. */
  readonly size: string;
  readonly seen: string;
}

/**
 * The levels of a file. `known`: what earlier visits saw of its log, from which growth is shown. `all`: whatever was
 * seen of it at any time, other files of this visit among it, with which nothing may be at odds.
 */
export function levelsOf(summary: Summary, known: readonly SeenCheckpoint[], all: readonly TreeHead[]): Level[] {
  const { log } = summary;
  const outcome = (name: string): Check["result"] | undefined => worst(summary.checks, name);
  const level = (name: LevelName, result: Check["result"], state: string, seen = ""): Level => ({
    name,
    result,
    state,
    size: log?.size ?? "",
    seen,
  });
  if (log === null) {
    return (["inclusion", "growth", "witnesses", "content"] as const).map((name) => level(name, "unknown", "none"));
  }
  const signed = outcome("log.checkpoint");
  const included = outcome("log.inclusion");
  const inclusion =
    signed === "failed" || included === "failed"
      ? level("inclusion", "failed", "failed")
      : signed === "passed" && included === "passed"
        ? level("inclusion", "passed", "passed")
        : level("inclusion", "unknown", "unsigned");
  const witnessed = outcome("log.witnesses");
  const witnesses = level("witnesses", witnessed ?? "unknown", witnessed ?? "none");
  const parts = ["log.window", "log.proved", "log.lifecycle"].map(outcome);
  const content = parts.includes("failed")
    ? level("content", "failed", "failed")
    : parts.every((part) => part === "passed")
      ? level("content", "passed", "passed")
      : level("content", "unknown", "unknown");
  return [inclusion, growthOf(summary, log, known, all, level), witnesses, content];
}

function growthOf(
  summary: Summary,
  log: LogSummary,
  known: readonly SeenCheckpoint[],
  all: readonly TreeHead[],
  level: (name: LevelName, result: Check["result"], state: string, seen?: string) => Level,
): Level {
  const shown = worst(summary.checks, "log.consistency");
  if (worst(summary.checks, "log.checkpoint") !== "passed") {
    return level("growth", shown === "failed" ? "failed" : "unknown", shown === "failed" ? "failed" : "unsigned");
  }
  // Two roots for one size, both signed: the log showed two histories.
  const heads = signedHeads(summary);
  for (const seen of all) {
    if (heads.some(({ size, root }) => size === seen.size && root !== seen.root)) {
      return level("growth", "failed", "split", seen.size);
    }
  }
  if (shown === "failed") {
    return level("growth", "failed", "failed", log.earlier?.size ?? "");
  }
  if (known.length === 0) {
    return level("growth", "unknown", "first");
  }
  const last = known.reduce((a, b) => (BigInt(b.size) > BigInt(a.size) ? b : a));
  if (last.size === log.size) {
    return level("growth", "passed", "same", last.size);
  }
  if (BigInt(last.size) > BigInt(log.size)) {
    return known.some(({ size }) => size === log.size)
      ? level("growth", "passed", "older", last.size)
      : level("growth", "unknown", "smaller", last.size);
  }
  if (shown === "passed" && log.earlier?.size === last.size) {
    return level("growth", "passed", "passed", last.size);
  }
  return level("growth", "unknown", shown === "passed" ? "elsewhere" : "unlinked", last.size);
}

/** The trees of the file's log that a pinned key signed. */
export function signedHeads({ log, checks }: Summary): TreeHead[] {
  if (log === null || worst(checks, "log.checkpoint") !== "passed") {
    return [];
  }
  return [log, ...(worst(checks, "log.consistency") === "passed" && log.earlier !== null ? [log.earlier] : [])];
}

/** The worst outcome of the checks of a name; undefined where there is none. */
function worst(checks: readonly Check[], name: string): Check["result"] | undefined {
  const results = checks.filter((check) => check.name === name).map(({ result }) => result);
  return results.includes("failed") ? "failed" : results.includes("unknown") ? "unknown" : results[0];
}
