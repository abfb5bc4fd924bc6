/** The desk: holds the files and their reports, so that the page is never blocked by them. */

import { type Report, type Verifier, VerificationError, createVerifier } from "@clearproof/verifier";
import packed from "virtual:verifier-wasm";
import { digestOf, digestOfBlob } from "./digest.js";
import { EvidenceParts } from "./evidence-parts.js";
import { csvOf } from "./export.js";
import { inflate } from "./inflate.js";
import type { Asked, Broken, DeskProgress, GivenFile, Kind, Questions, RecordDetail, Reverified, Summary, TrustSettings } from "./messages.js";
import { overviewOf } from "./overview.js";
import { type ReleasedNames, Rows } from "./rows.js";
import { difference, offers, tamper } from "./tamper.js";

const wasm = inflate(packed);
const NOTHING: TrustSettings = { bundles: [], released: [], logKeys: [], witnessKeys: [], allowInsecureDevSrs: false };

export class Desk {
  #settings = NOTHING;
  #verifier: Promise<Verifier> | undefined;
  #files: readonly GivenFile[] = [];
  #reports: readonly Report[] = [];
  #rows = new Rows([], new Map());
  /** What is going on, and ends when something newer begins. */
  #work = new AbortController();

  async answer(asked: Asked, tell: (progress: DeskProgress) => void): Promise<Questions[Kind]["answer"]> {
    switch (asked.kind) {
      case "hello":
        return { version: (await this.#ready()).version, wasm: await digestOf(await wasm), workers: workers() };
      case "trust":
        this.#settings = asked.settings;
        this.#forget();
        return null;
      case "describe":
        return (await this.#ready()).describeTrust(asked.bytes);
      case "judge":
        return this.#judge(asked.files, tell);
      case "rows": {
        const found = this.#rows.select(asked.query);
        const rows = [...found.subarray(asked.from, asked.from + asked.count)].map((index) => this.#rows.at(index));
        return { total: found.length, of: this.#rows.length, rows };
      }
      case "record":
        return this.#record(asked.key);
      case "overview":
        return overviewOf(this.#rows, asked.query);
      case "csv":
        return csvOf(this.#rows, asked.query);
      case "json":
        return new Blob([JSON.stringify(this.#report(asked.file), undefined, 2)], { type: "application/json" });
      case "offers":
        return offers(await this.#bytes(asked.file));
      case "break":
        return this.#break(asked.file, asked.action);
      case "reverify":
        return this.#reverify(asked.sample, tell);
      case "log": {
        const report = await (await this.#ready()).verify(asked.bytes, { name: asked.name });
        return summaryOf(report, asked.bytes.length, null);
      }
      case "cancel":
        this.#work.abort();
        return null;
    }
  }

  /** The verifier with the pins of now. It starts its workers when there is work for them. */
  #ready(): Promise<Verifier> {
    this.#verifier ??= createVerifier({
      trust: this.#settings.bundles,
      logKeys: this.#settings.logKeys,
      witnessKeys: this.#settings.witnessKeys,
      allowInsecureDevSrs: this.#settings.allowInsecureDevSrs,
      wasm,
      workers: workers(),
    });
    return this.#verifier;
  }

  #forget(): void {
    this.#work.abort();
    void this.#verifier?.then((verifier) => { verifier.close(); }, () => undefined);
    this.#verifier = undefined;
  }

  #begin(): AbortSignal {
    this.#work.abort();
    this.#work = new AbortController();
    return this.#work.signal;
  }

  async #judge(files: readonly GivenFile[], tell: (progress: DeskProgress) => void): Promise<Questions["judge"]["answer"]> {
    const signal = this.#begin();
    const verifier = await this.#ready();
    const start = performance.now();
    const reports = await verifier.verifyAll(
      files.map(({ name, blob }) => ({ name, bytes: blob })),
      { signal, onProgress: ({ filesChecked, totalFiles, bytesRead }) => { tell({ done: filesChecked, total: totalFiles, bytes: bytesRead }); } },
    );
    const milliseconds = performance.now() - start;
    const summaries: Summary[] = [];
    for (const [index, report] of reports.entries()) {
      const blob = files[index]?.blob ?? new Blob();
      summaries.push(summaryOf(report, blob.size, await digestOfBlob(blob)));
    }
    const released: ReleasedNames = new Map(this.#settings.released);
    this.#files = files;
    this.#reports = reports;
    this.#rows = new Rows(reports, released);
    return { summaries, milliseconds, facets: this.#rows.facets() };
  }

  #report(file: number): Report {
    const report = this.#reports[file];
    if (report === undefined) {
      throw new RangeError("there is no such file");
    }
    return report;
  }

  async #bytes(file: number): Promise<Uint8Array> {
    const blob = this.#files[file]?.blob;
    if (blob === undefined) {
      throw new RangeError("there is no such file");
    }
    return new Uint8Array(await blob.arrayBuffer());
  }

  #record(key: string): RecordDetail | null {
    const index = this.#rows.find(key);
    if (index === undefined) {
      return null;
    }
    const row = this.#rows.at(index);
    const report = this.#report(row.file);
    const proved = this.#rows.proved(index) ?? null;
    const unproved = this.#rows.unproved(index) ?? null;
    const batch: { key: string; row: number }[] = [];
    if (proved !== null) {
      // Rows of one proof lie near each other, but need not be neighbours.
      for (let at = 0; at < this.#rows.length; at += 1) {
        const other = this.#rows.proved(at);
        if (other?.proof === proved.proof && this.#rows.at(at).file === row.file) {
          batch.push({ key: this.#rows.at(at).key, row: other.row });
        }
      }
    }
    const ofProof = (inputs: string): boolean =>
      proved !== null && new RegExp(`^proof ${proved.proof.toString()}(, row ${proved.row.toString()}$|, rows|$)`).test(inputs);
    const lifecycle = proved?.lifecycle ?? unproved?.lifecycle ?? null;
    return {
      row,
      proved,
      unproved,
      fileName: report.file,
      verdict: report.verdict,
      batch,
      checks: report.checks.filter(({ inputs }) => ofProof(inputs)),
      log: report.log === null ? null : { origin: report.log.origin, size: report.log.size, root: report.log.root },
      inForce: report.log?.lifecycle.find(({ seq }) => seq === lifecycle) ?? null,
      previous: index > 0 ? this.#rows.at(index - 1).key : null,
      next: index + 1 < this.#rows.length ? this.#rows.at(index + 1).key : null,
    };
  }

  async #break(file: number, action: Questions["break"]["ask"]["action"]): Promise<Broken | null> {
    const before = await this.#bytes(file);
    const after = tamper(before, action);
    if (after === undefined) {
      return null;
    }
    const verifier = await this.#ready();
    const { verdict, checks } = await verifier.verify(after, { name: this.#files[file]?.name ?? "" });
    const { first, bytes: differing } = difference(before, after);
    return { verdict, checks, first, differing, bytes: after.length };
  }

  /** Checks every proof, or those of some rows drawn by chance, each by itself. */
  async #reverify(sample: number | null, tell: (progress: DeskProgress) => void): Promise<Reverified> {
    const signal = this.#begin();
    const verifier = await this.#ready();
    const start = performance.now();
    const wanted = sample === null ? undefined : this.#drawn(sample);
    const verdicts = { valid: 0, invalid: 0, unknown: 0 };
    const problems: Reverified["problems"][number][] = [];
    let [proofs, rows, bytes] = [0, 0, 0];
    let cancelled = false;
    try {
      const plans: { name: string; parts: EvidenceParts; proofs: number[] }[] = [];
      for (const [file, { file: name }] of this.#reports.entries()) {
        const parts = EvidenceParts.read(await this.#bytes(file));
        if (parts !== undefined) {
          const asked = (_: unknown, proof: number): number[] =>
            wanted === undefined || wanted.has(`${file.toString()}/${proof.toString()}`) ? [proof] : [];
          plans.push({ name, parts, proofs: parts.proofs.flatMap(asked) });
        }
      }
      const total = plans.reduce((sum, plan) => sum + plan.proofs.length, 0);
      tell({ done: 0, total, bytes });
      for (const { name, parts, proofs: list } of plans) {
        for (let at = 0; at < list.length; at += CHUNK) {
          const chunk = list.slice(at, at + CHUNK).flatMap((proof) => {
            const alone = parts.alone(proof);
            return alone === undefined ? [] : [{ name: proof.toString(), bytes: alone }];
          });
          const judged = await verifier.verifyAll(chunk, { signal });
          for (const { file: proof, verdict, checks, records } of judged) {
            verdicts[verdict] += 1;
            rows += records.length;
            const bad = checks.find(({ result }) => result !== "passed");
            if (bad !== undefined && problems.length < MOST_PROBLEMS) {
              problems.push({ file: name, proof: Number(proof), check: bad.name, reason: bad.reason });
            }
          }
          proofs += judged.length;
          bytes += chunk.reduce((sum, { bytes: { length } }) => sum + length, 0);
          tell({ done: proofs, total, bytes });
        }
      }
    } catch (error) {
      if (!(error instanceof VerificationError && error.code === "aborted")) {
        throw error;
      }
      cancelled = true;
    }
    return { proofs, rows, workers: workers(), milliseconds: performance.now() - start, verdicts, problems, cancelled };
  }

  /** Proofs of rows drawn by chance, without one twice. */
  #drawn(sample: number): Set<string> {
    const rows = Array.from({ length: this.#rows.length }, (_, index) => index).filter((index) => this.#rows.proved(index) !== undefined);
    const wanted = new Set<string>();
    for (let left = Math.min(sample, rows.length); left > 0; left -= 1) {
      const [index] = rows.splice(below(rows.length), 1);
      const proved = index === undefined ? undefined : this.#rows.proved(index);
      if (index !== undefined && proved !== undefined) {
        wanted.add(`${this.#rows.at(index).file.toString()}/${proved.proof.toString()}`);
      }
    }
    return wanted;
  }
}

/** A random number below the limit, from the system, each as likely as the others. */
function below(limit: number): number {
  const range = 2 ** 32;
  for (;;) {
    const [drawn] = crypto.getRandomValues(new Uint32Array(1));
    if (drawn !== undefined && drawn < range - (range % limit)) {
      return drawn % limit;
    }
  }
}

function workers(): number {
  return Math.max(1, Math.min(MOST_WORKERS, navigator.hardwareConcurrency));
}

function summaryOf(report: Report, bytes: number, digest: string | null): Summary {
  const { log } = report;
  return {
    file: report.file,
    bytes,
    digest,
    verdict: report.verdict,
    checks: report.checks,
    notChecked: report.notChecked,
    models: report.models,
    records: report.records.length,
    proofs: new Set(report.records.map(({ proof }) => proof)).size,
    disclosed: report.records.filter(({ inputs }) => inputs !== null).length,
    log:
      log === null
        ? null
        : {
            origin: log.origin,
            size: log.size,
            root: log.root,
            from: log.from,
            to: log.to,
            earlier: log.earlier,
            waiting: log.unproven.filter(({ development }) => !development).length,
            development: log.unproven.filter(({ development }) => development).length,
            lifecycle: log.lifecycle,
          },
  };
}

const MOST_WORKERS = 4;
const CHUNK = 32;
const MOST_PROBLEMS = 100;
