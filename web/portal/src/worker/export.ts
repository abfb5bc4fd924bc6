/** Tables for other programs. */

import type { Query, Rows } from "./rows.js";

const COLUMNS = ["seq", "time_utc", "decision", "compliant", "symbol", "model", "bundle", "status", "metadata", "commitment", "leaf"] as const;

/** The rows of a query as CSV (RFC 4180); a cell that a spreadsheet would take for a formula gets an apostrophe. */
export function csvOf(rows: Rows, query: Query): Blob {
  const lines: string[] = [`${COLUMNS.join(",")}\r\n`];
  for (const position of rows.select(query)) {
    const row = rows.at(position);
    const facts = rows.proved(position) ?? rows.unproved(position);
    const cells: Record<(typeof COLUMNS)[number], string> = {
      seq: row.seq ?? "",
      time_utc: row.timeMs === null ? "" : new Date(Math.min(row.timeMs, MOST_MS)).toISOString(),
      decision: row.decision,
      compliant: row.compliant === null ? "" : row.compliant ? "yes" : "no",
      symbol: row.symbol,
      model: row.model,
      bundle: row.bundle,
      status: row.status,
      metadata: row.metadata?.kind === "hidden" ? "" : (row.metadata?.value ?? ""),
      commitment: facts?.commitment ?? "",
      leaf: rows.proved(position)?.leaf ?? "",
    };
    lines.push(`${COLUMNS.map((name) => quoted(cells[name])).join(",")}\r\n`);
  }
  return new Blob(lines, { type: "text/csv;charset=utf-8" });
}

function quoted(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** The last time that JavaScript's dates know. */
const MOST_MS = 8.64e15;
