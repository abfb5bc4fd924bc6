/** The decisions of an evidence file, a page of rows at a time. */

import { count, digest, h } from "./dom.js";
import type { DecisionRecord } from "./pkg/clearproof_verifier.js";

const ROWS_PER_PAGE = 25;

export function recordsTable(records: readonly DecisionRecord[]): HTMLElement {
  const body = h("tbody");
  const position = h("span", { class: "position", role: "status" });
  const previous = h("button", { type: "button", class: "button" }, "Previous");
  const next = h("button", { type: "button", class: "button" }, "Next");
  const pages = Math.ceil(records.length / ROWS_PER_PAGE);
  let page = 0;

  const show = (): void => {
    const start = page * ROWS_PER_PAGE;
    const rows = records.slice(start, start + ROWS_PER_PAGE);
    body.replaceChildren(...rows.map(row));
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

  const head = ["Row", "Decision", "Released", "Metadata", "Input commitment", "Log leaf"];
  return h(
    "div",
    { class: "records" },
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": count(records.length, "record") },
      h("table", {}, h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text)))), body),
    ),
    ...(pages > 1 ? [h("div", { class: "pager" }, previous, position, next)] : []),
  );
}

function row(record: DecisionRecord): HTMLElement {
  const decision = h("td", {}, record.decision ?? "");
  if (record.decision !== null) {
    decision.className = "decision";
  }
  return h(
    "tr",
    {},
    h("td", { class: "number" }, record.row.toLocaleString("en")),
    decision,
    h("td", { class: "number" }, record.released.join(", ")),
    h("td", {}, record.metadata ?? ""),
    h("td", {}, ...(record.commitment === null ? [] : [digest(record.commitment)])),
    h("td", {}, ...(record.leaf === null ? [] : [digest(record.leaf)])),
  );
}
