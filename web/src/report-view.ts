/** Shows a report: the verdict in words, what was not checked beside it, every check, the records. */

import { checkTitle } from "./check-titles.js";
import { count, duration, fileSize, h } from "./dom.js";
import type { Check, Report } from "@clearproof/verifier/inline";
import { recordsTable } from "./records-table.js";

const TITLE: Record<Report["verdict"], string> = {
  valid: "Valid",
  invalid: "Invalid",
  unknown: "Cannot tell",
};

const OUTCOME: Record<Check["result"], string> = {
  passed: "passed",
  failed: "failed",
  unknown: "cannot tell",
};

/** What the page knows beside the reports. */
export interface Circumstances {
  /** Size of each file, by name. */
  readonly bytes: ReadonlyMap<string, number>;
  readonly milliseconds: number;
  readonly pinned: number;
  readonly insecureDevSrsAllowed: boolean;
  /** Names of the files that are trust files and were given as evidence. */
  readonly misplaced: ReadonlySet<string>;
}

/** One report after another, with a sentence over them when there are several. */
export function reportsView(reports: readonly Report[], about: Circumstances): HTMLElement {
  const tally = (["invalid", "unknown", "valid"] as const)
    .map((verdict) => ({ verdict, n: reports.filter((report) => report.verdict === verdict).length }))
    .filter(({ n }) => n > 0)
    .map(({ verdict, n }) => `${n.toString()} ${TITLE[verdict].toLowerCase()}`)
    .join(", ");
  return h(
    "div",
    { "data-milliseconds": about.milliseconds.toString() },
    ...(reports.length > 1 ? [h("h2", { class: "tally" }, `${count(reports.length, "file")}: ${tally}`)] : []),
    ...reports.map((report) => reportView(report, about)),
  );
}

function reportView(report: Report, about: Circumstances): HTMLElement {
  return h(
    "article",
    { class: `report ${report.verdict}`, "data-verdict": report.verdict, "aria-label": report.file },
    banner(report, about),
    checks(report),
    ...records(report),
  );
}

/** Something went wrong before a verdict: the page says so, and that the files are not judged by it. */
export function noVerdictView(sentence: string, detail: string): HTMLElement {
  return h(
    "article",
    { class: "report broken", "data-verdict": "none" },
    h(
      "section",
      { class: "card banner", "aria-label": "Verdict" },
      h(
        "div",
        { class: "verdict" },
        icon("unknown"),
        h(
          "div",
          {},
          h("p", { class: "label" }, "Verdict"),
          h("h2", {}, "No verdict"),
          h("p", { class: "sentence" }, sentence),
          h("p", { class: "facts" }, detail),
        ),
      ),
    ),
  );
}

/** The verdict in a sentence, with its cause. */
export function verdictSentence(report: Report): string {
  const cause = (outcome: Check["result"]): string => {
    const check = report.checks.find((candidate) => candidate.result === outcome);
    return check ? ` ${sentence(check.reason)}` : "";
  };
  switch (report.verdict) {
    case "valid": {
      const models = report.models.map((model) => model.name).join(", ");
      return `${count(report.records.length, "decision")} by ${models}: every check passed against what you pinned.`;
    }
    case "invalid":
      return report.checks.some((check) => check.name === "evidence.encoding" && check.result === "failed")
        ? `Do not rely on this file. It is no clearproof evidence, or it was damaged.${cause("failed")}`
        : `Do not rely on this file.${cause("failed")}`;
    case "unknown":
      return `Nothing false was found, but something is missing.${cause("unknown")}`;
  }
}

/** The text with a capital and a full stop. */
function sentence(text: string): string {
  return text === "" ? text : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function banner(report: Report, about: Circumstances): HTMLElement {
  const facts = [
    about.pinned === 0 ? "nothing pinned" : `against ${count(about.pinned, "pinned model")}`,
    `checked in ${duration(report.checks.reduce((sum, check) => sum + check.milliseconds, 0))}`,
    new Date().toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }),
  ];
  const save = h("button", { type: "button", class: "button" }, "Save report");
  save.addEventListener("click", () => {
    saveReport(report);
  });
  const warnings = [
    ...(about.misplaced.has(report.file) ? [misplacedSentence(report.file)] : []),
    ...(about.insecureDevSrsAllowed ? ["Development set-ups were accepted for this check."] : []),
  ];
  return h(
    "section",
    { class: "card banner", "aria-label": "Verdict" },
    h(
      "div",
      { class: "verdict" },
      icon(report.verdict === "valid" ? "passed" : report.verdict === "invalid" ? "failed" : "unknown"),
      h(
        "div",
        {},
        h("p", { class: "label" }, `${report.file} (${fileSize(about.bytes.get(report.file) ?? 0)})`),
        h("h2", {}, TITLE[report.verdict]),
        h("p", { class: "sentence" }, verdictSentence(report)),
        ...warnings.map((text) => h("p", { class: "warning" }, text)),
        h("p", { class: "facts" }, facts.join(" · ")),
        save,
      ),
    ),
    h(
      "div",
      { class: "unchecked" },
      h("h3", {}, "Not checked"),
      report.notChecked.length > 0
        ? h("ul", {}, ...report.notChecked.map((text) => h("li", {}, text)))
        : h("p", {}, "Everything else: the file could not be read further."),
    ),
  );
}

function misplacedSentence(name: string): string {
  return `${name} is a trust file, not evidence. If it reached you apart from the evidence, add it under “What you trust”.`;
}

function checks(report: Report): HTMLElement {
  const outcomes = report.checks.map((check) => check.result);
  const tally = (["failed", "unknown", "passed"] as const)
    .map((outcome) => ({ outcome, n: outcomes.filter((o) => o === outcome).length }))
    .filter(({ n }) => n > 0)
    .map(({ outcome, n }) => `${n.toString()} ${OUTCOME[outcome]}`)
    .join(", ");
  return h(
    "section",
    { class: "card checks", "aria-label": "Checks" },
    h("div", { class: "card-head" }, h("h3", {}, "Checks"), h("p", { class: "hint" }, tally)),
    h("ol", {}, ...report.checks.map(checkItem)),
  );
}

function checkItem(check: Check): HTMLElement {
  const title = checkTitle(check.name);
  return h(
    "li",
    { class: check.result, "data-check": check.name, "data-outcome": check.result },
    icon(check.result),
    h(
      "div",
      { class: "what" },
      h("p", { class: "name" }, title ?? check.name, h("span", { class: "outcome" }, OUTCOME[check.result])),
      ...(check.reason === "" ? [] : [h("p", { class: "reason" }, sentence(check.reason))]),
      h(
        "p",
        { class: "inputs" },
        [title === undefined ? "" : check.name, check.inputs].filter((text) => text !== "").join(" · "),
      ),
    ),
    h(
      "p",
      { class: "cost" },
      h("span", {}, duration(check.milliseconds)),
      h("span", {}, check.offline ? "offline" : "asked the network"),
    ),
  );
}

function records(report: Report): HTMLElement[] {
  if (report.records.length === 0) {
    return [];
  }
  const claimed =
    report.verdict === "valid"
      ? []
      : [
          h(
            "p",
            { class: "warning" },
            report.verdict === "invalid"
              ? "These are the file's claims. The file is invalid: do not rely on them."
              : "These are the file's claims. They are not tied to anything that you pinned.",
          ),
        ];
  return [
    h(
      "section",
      { class: "card", "aria-label": "Decisions" },
      h(
        "div",
        { class: "card-head" },
        h("h3", {}, report.verdict === "valid" ? "Decisions" : "Decisions claimed"),
        h("p", { class: "hint" }, count(report.records.length, "record")),
      ),
      ...claimed,
      recordsTable(report.records),
    ),
  ];
}

function icon(outcome: Check["result"]): Element {
  const paths = { passed: "M6 12.5l4 4 8-9", failed: "M7 7l10 10M17 7L7 17", unknown: "M8.8 9.2a3.2 3.2 0 1 1 4.6 2.9c-.9.5-1.4 1-1.4 2.1M12 17.2v.1" };
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon ${outcome}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", paths[outcome]);
  svg.append(path);
  return svg;
}

function saveReport(report: Report): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(report, undefined, 2)], { type: "application/json" }));
  h("a", { href: url, download: `${report.file}.report.json` }).click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}
