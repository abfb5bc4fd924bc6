/** The decisions of an evidence file, a page of rows at a time. */

import { count, digest, h } from "./dom.js";
import type { DecisionRecord, RecordMetadata } from "@clearproof/verifier/inline";

const ROWS_PER_PAGE = 25;

export function recordsTable(records: readonly DecisionRecord[]): HTMLElement {
  const columns = columnsFor(records);
  const body = h("tbody");
  const position = h("span", { class: "position", role: "status" });
  const previous = h("button", { type: "button", class: "button" }, "Previous");
  const next = h("button", { type: "button", class: "button" }, "Next");
  const pages = Math.ceil(records.length / ROWS_PER_PAGE);
  let page = 0;

  const show = (): void => {
    const start = page * ROWS_PER_PAGE;
    const rows = records.slice(start, start + ROWS_PER_PAGE);
    body.replaceChildren(...rows.map((record) => row(record, columns)));
    position.textContent = `${(start + 1).toLocaleString("en")} to ${(start + rows.length).toLocaleString("en")} of ${records.length.toLocaleString("en")}`;
    previous.disabled = page === 0;
    next.disabled = page === pages - 1;
  };
  previous.addEventListener("click", () => {
    page -= 1;
    show();
  });
  next.addEventListener("click", () => {
    page += 1;
    show();
  });
  show();

  return h(
    "div",
    { class: "records" },
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": count(records.length, "record") },
      h("table", {}, h("thead", {}, h("tr", {}, ...columns.map(({ title }) => h("th", { scope: "col" }, title)))), body),
    ),
    ...(pages > 1 ? [h("div", { class: "pager" }, previous, position, next)] : []),
  );
}

function row(record: DecisionRecord, columns: readonly Column[]): HTMLElement {
  return h("tr", {}, ...columns.map(({ className, cell }) => h("td", { class: className }, cell(record))));
}

interface Column {
  readonly title: string;
  readonly className: string;
  readonly cell: (record: DecisionRecord) => Node | string;
}

/** Columns that would be the same or empty in every row are left out. */
function columnsFor(records: readonly DecisionRecord[]): Column[] {
  const differ = (value: (record: DecisionRecord) => unknown): boolean => new Set(records.map(value)).size > 1;
  const columns: (Column | false)[] = [
    differ((record) => record.proof) && { title: "Proof", className: "number", cell: (record) => (record.proof + 1).toString() },
    { title: "Row", className: "number", cell: (record) => (record.row + 1).toLocaleString("en") },
    differ((record) => record.model) && { title: "Model", className: "", cell: (record) => record.model },
    { title: "Decision", className: "decision", cell: (record) => record.decision },
    { title: "Released", className: "number", cell: (record) => record.released.join(", ") },
    { title: "Metadata", className: "metadata", cell: (record) => metadata(record.metadata) },
    records.some((record) => record.inputs !== null) && {
      title: "Inputs",
      className: "number",
      cell: (record) => record.inputs?.join(", ") ?? "",
    },
    { title: "Input commitment", className: "", cell: (record) => digest(record.commitment) },
    { title: "Log leaf", className: "", cell: (record) => digest(record.leaf) },
  ];
  return columns.filter((column) => column !== false);
}

function metadata({ kind, value }: RecordMetadata): Node | string {
  switch (kind) {
    case "text":
      return value;
    case "hex":
      return h("code", {}, value);
    case "hidden":
      return h("span", { class: "hint", title: value }, "hidden");
  }
}
