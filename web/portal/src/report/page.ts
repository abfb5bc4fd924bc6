/**
 * A report as one page of HTML: no script, no picture, nothing to fetch, and a security policy that allows its own
 * style and nothing else. It says what was checked and what was not, for files to keep or send beside the evidence.
 */

import style from "virtual:report-style";
import type { App } from "../state/app.js";
import { duration, figure, fileSize, local, percent, pretty, sentence, utc } from "../state/format.js";
import type { Level } from "../state/levels.js";
import { language, message, messageOr, number } from "../state/messages.svelte.js";
import type { Judged, Session } from "../state/session.svelte.js";
import type { Trust } from "../state/trust.svelte.js";
import type { Reverified } from "../worker/messages.js";
import type { Training } from "../worker/training-messages.js";
import { type Markup, html } from "./markup.js";

/** A verification of proofs one by one. */
export type Again = Reverified & { readonly sample: number | null };

/** The report of files that were judged, for a person to keep. */
export function reportPage({ version, wasm, session, trust }: App, files: readonly Judged[], trainings: readonly Training[] = [], once?: Again): Blob {
  const title = message("print.title");
  const page = html`<!doctype html>
<html lang="${language.locale}" dir="${language.direction}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${`default-src 'none'; style-src ${style.hash}; base-uri 'none'; form-action 'none'`}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>`;
  const body = html`</style>
</head>
<body>
<main>
<h1>${title}</h1>
${summary(version, wasm, session, trust, files, trainings)}
${files.map(fileSection)}
${trainings.map(trainingSection)}
${once === undefined ? "" : again(once)}
<h2>${message("meaning.title")}</h2>
<dl>${(["valid", "invalid", "unknown"] as const).map((verdict) => html`<dt>${messageOr(`verdict.${verdict}`, verdict)}</dt><dd>${message(`meaning.${verdict}`)}</dd>`)}</dl>
<p>${message("meaning.limits")}</p>
</main>
</body>
</html>
`;
  return new Blob([page.text, style.text, body.text], { type: "text/html" });
}

function summary(version: string, wasm: string | null, session: Session, { bundles, rosters, keys }: Trust, files: readonly Judged[], trainings: readonly Training[]): Markup {
  const { judgedMs, insecureDevSrsAllowed } = session;
  const pins = [
    ...bundles.map(({ bundle }) => html`<li><bdi>${bundle.modelName}</bdi> <code>${bundle.fingerprint}</code></li>`),
    ...rosters.map(({ fileName, digest }) => html`<li>${message("trust.roster")} <bdi>${fileName}</bdi> <code>${digest}</code></li>`),
    ...keys.map(({ kind, key }) => html`<li>${message(kind === "log" ? "trust.logKey" : "trust.witnessKey")} <code>${key}</code></li>`),
  ];
  return html`<dl>
<dt>${message("print.made")}</dt><dd>${utc(judgedMs)} UTC (${message("time.local", { time: local(judgedMs) })})</dd>
<dt>${message("print.verifier")}</dt><dd>clearproof ${version}</dd>
${wasm === null ? "" : html`<dt>${message("print.wasm")}</dt><dd><code>${wasm}</code></dd>`}
<dt>${message("print.pinned")}</dt><dd>${pins.length === 0 ? message("report.nothingPinned") : html`<ul>${pins}</ul>`}</dd>
</dl>
${insecureDevSrsAllowed ? html`<p class="warning">${message("report.development")}</p>` : ""}
${table(message("report.files"), [message("record.file"), message("report.verdict"), message("report.proved"), message("report.unproved"), message("print.coverage"), "SHA-256"], [
    ...files.map((one) => {
      const unproved = unprovedOf(one);
      return [html`<bdi>${one.file}</bdi>`, verdictOf(one), number(one.records), number(unproved), one.verdict === "invalid" ? "–" : percent(one.records, one.records + unproved), html`<code>${one.digest ?? "–"}</code>`];
    }),
    ...trainings.map(({ file, digest, report }) => [html`<bdi>${file}</bdi>`, verdictOf(report), "–", "–", "–", html`<code>${digest ?? "–"}</code>`]),
  ])}
${session.others.length === 0 ? "" : html`<p>${message("others.title", { n: session.others.length })}. ${message("others.hint")}</p>
<ul>${session.others.map(({ file, kind }) => html`<li><bdi>${file.name}</bdi>: ${message(`other.${kind}`)}</li>`)}</ul>`}`;
}

function fileSection(one: Judged): Markup {
  const { verdict, checks, notChecked, log } = one;
  const cause = checks.find(({ result }) => result === (verdict === "invalid" ? "failed" : "unknown"));
  const said =
    verdict === "valid"
      ? message("report.valid", { n: one.records })
      : verdict === "invalid"
        ? message(checks.length === 1 ? "report.damaged" : "report.invalid")
        : message("report.unknown");
  return html`<h2><bdi>${one.file}</bdi></h2>
<p>${verdictOf(one)} · ${said} ${cause === undefined || verdict === "valid" ? "" : html`<bdi>${prose(sentence(cause.reason))}</bdi>`}</p>
${one.levels.some(({ state }) => state === "split") ? html`<p class="warning">${message("report.split")}</p>` : ""}
<dl>
<dt>${message("report.size")}</dt><dd>${fileSize(one.bytes)}</dd>
${one.digest === null ? "" : html`<dt>SHA-256</dt><dd><code>${one.digest}</code></dd>`}
${one.records === 0 ? "" : html`<dt>${message("report.proved")}</dt><dd>${message("report.provedIn", { rows: one.records, proofs: one.proofs })}</dd>`}
${log === null ? "" : html`<dt>${message("log.origin")}</dt><dd><bdi>${log.origin}</bdi></dd>
<dt>${message("log.checkpoint")}</dt><dd>${message("log.entries", { n: log.size })}</dd>
<dt>${message("log.root")}</dt><dd><code>${log.root}</code></dd>
<dt>${message("log.window")}</dt><dd>${message("log.fromTo", { from: log.from, to: log.to })}</dd>`}
</dl>
<h3>${message("report.notChecked")}</h3>
${notChecked.length === 0 ? html`<p>${message("report.nothingFurther")}</p>` : html`<ul>${notChecked.map((text) => html`<li>${prose(text)}</li>`)}</ul>`}
<h3>${message("level.title")}</h3>
<ul>${one.levels.map(levelItem)}</ul>
<h3>${message("report.checks")}</h3>
${table(`${message("report.checks")}: ${one.file}`, [message("again.check"), message("report.verdict"), message("again.reason"), message("print.inputs"), message("print.time"), message("print.network")], rowsOf(one))}`;
}

function trainingSection({ file, bytes, digest, report, decisions }: Training): Markup {
  const { verdict, checks, notChecked, parties, rounds, privacy, compliance, model, deployment, roster } = report;
  const cause = checks.find(({ result }) => result === (verdict === "invalid" ? "failed" : "unknown"));
  const said = verdict === "valid" ? message("training.valid", { rounds, parties: parties.length }) : message(verdict === "unknown" ? "report.unknown" : rounds === 0 ? "training.damaged" : "training.invalid");
  const partyName = (position: number): Markup => html`<bdi>${parties[position]?.name ?? ""}</bdi>`;
  return html`<h2><bdi>${file}</bdi></h2>
<p>${message("training.certificate")} · ${verdictOf(report)} · ${said} ${cause === undefined || verdict === "valid" ? "" : html`<bdi>${prose(sentence(cause.reason))}</bdi>`}</p>
<dl>
<dt>${message("report.size")}</dt><dd>${fileSize(bytes)}</dd>
${digest === null ? "" : html`<dt>SHA-256</dt><dd><code>${digest}</code></dd>`}
${roster === null ? "" : html`<dt>${message("training.made")}</dt><dd>${message("training.madeBy", { rounds, parties: parties.length })}</dd>
<dt>${message("training.roster")}</dt><dd><code>${roster}</code></dd>`}
${privacy === null ? "" : html`<dt>${message("training.spent")}</dt><dd>ε ${figure(privacy.epsilon)}, ${message("training.spentOf", { promised: figure(privacy.promisedEpsilon), delta: figure(privacy.delta) })}, ${messageOr(`training.adjacency.${privacy.adjacency}`, privacy.adjacency)}</dd>`}
${model === null ? "" : html`<dt>${message("training.final")}</dt><dd><code>${model}</code></dd>`}
${deployment === null ? "" : html`<dt>${message("models.commitment")}</dt><dd><code>${deployment.commitment}</code></dd>
<dt>${message("training.compiledBy")}</dt><dd>${partyName(deployment.party)}</dd>`}
</dl>
<h3>${message("report.notChecked")}</h3>
${rounds === 0 ? html`<p>${message("report.nothingFurther")}</p>` : html`<ul>${notChecked.map((text) => html`<li>${prose(text)}</li>`)}</ul>`}
${parties.length === 0 ? "" : table(`${message("training.roster")}: ${file}`, [message("training.party"), message("training.signingKey"), message("training.inSums"), message("training.signed")], parties.map((party) => [html`<bdi>${party.name}</bdi>`, html`<code>${party.signingKey}</code>`, `${number(party.rounds)} / ${number(rounds)}`, message(party.signed ? "yes" : "no")]))}
${decisions.length === 0 || deployment === null ? "" : html`<h3>${message("training.decisions")}</h3><ul>${decisions.map((one) => html`<li><bdi>${one.file}</bdi>: ${messageOr(`training.decisions.${one.model}`, one.model)}</li>`)}</ul>`}
${compliance.length === 0 ? "" : html`<h3>${message("training.compliance")}</h3><p class="soft">${message("training.complianceHint")}</p>${compliance.map((claim) => html`<p>${partyName(claim.party)}</p><pre>${pretty(claim.statement)}</pre>`)}`}
<h3>${message("report.checks")}</h3>
${table(`${message("report.checks")}: ${file}`, [message("again.check"), message("report.verdict"), message("again.reason"), message("print.inputs"), message("print.time"), message("print.network")], rowsOf(report))}`;
}

function levelItem({ name, result, state, size, seen }: Level): Markup {
  return html`<li>${messageOr(`level.${name}`, name)}: ${outcome(result)}. ${messageOr(`level.${name}.${state}`, state, { size, seen })}</li>`;
}

/** The checks of a file; many that passed under one name in one row. */
function rowsOf({ checks }: Pick<Judged, "checks">): (Markup | string)[][] {
  const many = new Map<string, { n: number; milliseconds: number; offline: boolean }>();
  for (const { name, result, milliseconds, offline } of checks) {
    if (result === "passed") {
      const sum = many.get(name) ?? { n: 0, milliseconds: 0, offline: true };
      many.set(name, { n: sum.n + 1, milliseconds: sum.milliseconds + milliseconds, offline: sum.offline && offline });
    }
  }
  const told = new Set<string>();
  return checks.flatMap(({ name, inputs, result, reason, milliseconds, offline }) => {
    const sum = result === "passed" ? many.get(name) : undefined;
    if (sum === undefined || sum.n <= MOST_ROWS) {
      return [row(name, result, reason, inputs, milliseconds, offline)];
    }
    if (told.has(name)) {
      return [];
    }
    told.add(name);
    return [row(name, result, "", message("check.times", { n: sum.n }), sum.milliseconds, sum.offline)];
  });
}

function row(name: string, result: Level["result"], reason: string, inputs: string, milliseconds: number, offline: boolean): (Markup | string)[] {
  return [
    html`${messageOr(`check.${name}`, name)}<br><code>${name}</code>`,
    outcome(result),
    html`<bdi>${prose(sentence(reason))}</bdi>`,
    html`<bdi>${inputs}</bdi>`,
    duration(milliseconds),
    message(offline ? "check.offline" : "check.online"),
  ];
}

function again({ verdicts, problems, cancelled, proofs, rows, milliseconds, workers, sample }: Again): Markup {
  return html`<h2>${message("nav.verify-all")}</h2>
<p>${cancelled ? `${message("again.cancelled")}. ` : ""}${message("again.summary", { proofs: number(proofs), rows: number(rows), time: duration(milliseconds), workers })}
${sample === null ? "" : message("print.sample", { n: sample })}</p>
<ul>${(["valid", "invalid", "unknown"] as const).map((verdict) => html`<li>${messageOr(`verdict.${verdict}`, verdict)}: ${number(verdicts[verdict])}</li>`)}</ul>
${problems.length === 0 ? "" : table(message("again.result"), [message("record.file"), message("again.proof"), message("again.check"), message("again.reason")], problems.map((one) => [html`<bdi>${one.file}</bdi>`, number(one.proof), one.check, one.reason]))}
<p class="soft">${message("again.limits")}</p>`;
}

/** A table that a keyboard can scroll where it is too wide. */
function table(name: string, heads: readonly string[], rows: readonly (readonly (Markup | string)[])[]): Markup {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${name}"><table>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
`)}</tbody></table></div>`;
}

/** What stands between backticks is code. */
function prose(text: string): Markup {
  return html`${text.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))}`;
}

function verdictOf({ verdict }: Pick<Judged, "verdict">): Markup {
  return html`<span class="outcome ${verdict}">${messageOr(`verdict.${verdict}`, verdict)}</span>`;
}

function outcome(result: Level["result"]): Markup {
  return html`<span class="outcome ${result}">${messageOr(`outcome.${result}`, result)}</span>`;
}

function unprovedOf({ log }: Judged): number {
  return (log?.waiting ?? 0) + (log?.development ?? 0);
}

/** More checks of one name that passed are told in one row. */
const MOST_ROWS = 50;
