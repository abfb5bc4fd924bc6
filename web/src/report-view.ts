/** Shows a report: the verdict in words, what was not checked beside it, every check, the records. */

import { count, duration, fileSize, h } from "./dom.js";
import type { Check, EvidenceFile, Report } from "./pkg/clearproof_verifier.js";
import { recordsTable } from "./records-table.js";

const TITLE: Record<Report["verdict"], string> = {
  valid: "Valid",
  invalid: "Invalid",
  unknown: "Cannot tell",
};

const OUTCOME: Record<Check["outcome"], string> = {
  passed: "passed",
  failed: "failed",
  unknown: "cannot tell",
};

/** What the page knows beside the report. */
export interface Circumstances {
  readonly files: readonly EvidenceFile[];
  readonly milliseconds: number;
  readonly pinned: number;
  readonly insecureDevSrsAllowed: boolean;
  /** Names of the files that are trust files and were given as evidence. */
  readonly misplaced: readonly string[];
}

export function reportView(report: Report, about: Circumstances): HTMLElement {
  return h(
    "article",
    { class: `report ${report.verdict}`, "data-verdict": report.verdict, "data-milliseconds": about.milliseconds.toString() },
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

/** One sentence in which the verdict is said, with its cause. */
export function verdictSentence(report: Report): string {
  switch (report.verdict) {
    case "valid": {
      const decisions = report.records.length > 0 ? `${count(report.records.length, "decision")}: ` : "";
      return `${decisions}every check passed against what you pinned.`;
    }
    case "invalid": {
      const failed = report.checks.find((check) => check.outcome === "failed");
      return failed ? `Do not rely on this file. ${failed.reason}` : "Do not rely on this file.";
    }
    case "unknown": {
      const open = report.checks.find((check) => check.outcome === "unknown");
      return open ? `Nothing false was found, but something is missing. ${open.reason}` : "Something needed is missing.";
    }
  }
}

function banner(report: Report, about: Circumstances): HTMLElement {
  const bytes = about.files.reduce((sum, file) => sum + file.bytes.length, 0);
  const names = about.files.length <= 3 ? about.files.map((file) => file.name).join(", ") : count(about.files.length, "file");
  const facts = [
    `${names} (${fileSize(bytes)})`,
    about.pinned === 0 ? "nothing pinned" : `against ${count(about.pinned, "pinned model")}`,
    `checked in ${duration(about.milliseconds)}`,
    new Date().toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }),
  ];
  const save = h("button", { type: "button", class: "button" }, "Save report");
  save.addEventListener("click", () => {
    saveReport(report, about);
  });
  const development = about.insecureDevSrsAllowed
    ? [h("p", { class: "warning" }, "Development set-ups were accepted for this check.")]
    : [];
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
        h("p", { class: "label" }, "Verdict"),
        h("h2", {}, TITLE[report.verdict]),
        h("p", { class: "sentence" }, verdictSentence(report)),
        ...development,
        ...about.misplaced.map((name) => h("p", { class: "warning" }, misplacedSentence(name))),
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
        : h("p", {}, "Nothing beyond what no verdict can say; see below."),
    ),
  );
}

function misplacedSentence(name: string): string {
  return `${name} is a trust file, not evidence. If it reached you apart from the evidence, add it under “What you trust”.`;
}

function checks(report: Report): HTMLElement {
  const outcomes = report.checks.map((check) => check.outcome);
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
  return h(
    "li",
    { class: check.outcome, "data-check": check.name, "data-outcome": check.outcome },
    icon(check.outcome),
    h(
      "div",
      { class: "what" },
      h("p", { class: "name" }, check.name, h("span", { class: "outcome" }, OUTCOME[check.outcome])),
      ...(check.reason === "" ? [] : [h("p", { class: "reason" }, check.reason)]),
      ...(check.inputs === "" ? [] : [h("p", { class: "inputs" }, check.inputs)]),
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

function icon(outcome: Check["outcome"]): Element {
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

function saveReport(report: Report, about: Circumstances): void {
  const text = JSON.stringify(
    { ...report, files: about.files.map((file) => ({ name: file.name, bytes: file.bytes.length })) },
    undefined,
    2,
  );
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href: url, download: "clearproof-report.json" }).click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}
