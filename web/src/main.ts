import "./style.css";
import { type Verifier, VerificationError, createVerifier } from "@clearproof/verifier/inline";
import { byId, count, fileSize, h } from "./dom.js";
import { dropZone, ignoreStrayDrops } from "./drop-zone.js";
import { noVerdictView, reportsView } from "./report-view.js";
import { trustItem } from "./trust-list.js";
import { type Pin, TrustStore } from "./trust-store.js";

const page = {
  evidenceZone: byId("evidence-zone", HTMLElement),
  evidenceInput: byId("evidence-input", HTMLInputElement),
  trustZone: byId("trust-zone", HTMLElement),
  trustInput: byId("trust-input", HTMLInputElement),
  trustEmpty: byId("trust-empty", HTMLElement),
  trustList: byId("trust-list", HTMLElement),
  trustProblem: byId("trust-problem", HTMLElement),
  allowDev: byId("allow-dev", HTMLInputElement),
  progress: byId("progress", HTMLElement),
  result: byId("result", HTMLElement),
  version: byId("version", HTMLElement),
};

/** Made anew when what is trusted changes. It starts its workers when there is work for them. */
let verifier: Promise<Verifier> | undefined;
const pins = new Map<string, Pin>();
let store: TrustStore | undefined;
let evidence: readonly ReadFile[] = [];
/** The newest judgement: only it may show its result. */
let judgement = new AbortController();

/** More than any evidence file needs, and less than a browser tab can hold. */
const MAX_BYTES = 256_000_000;

interface ReadFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

async function read(files: readonly File[]): Promise<ReadFile[]> {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > MAX_BYTES) {
    throw new Error(`${fileSize(total)} were given, and this page takes at most ${fileSize(MAX_BYTES)} at a time.`);
  }
  return Promise.all(files.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
}

/** Judges newly given files, and brings the verdict into view. */
async function judgeFiles(files: readonly File[]): Promise<void> {
  try {
    evidence = await read(files);
    await judge();
  } catch (error) {
    evidence = [];
    page.result.replaceChildren(noVerdictView("The files could not be read, so nothing was checked.", message(error)));
  }
  page.result.focus({ preventScroll: true });
  page.result.scrollIntoView({ behavior: "smooth", block: "start" });
}

/** The verifier with the pins on the page. */
function ownVerifier(): Promise<Verifier> {
  verifier ??= createVerifier({
    trust: [...pins.values()].map((pin) => pin.bytes),
    allowInsecureDevSrs: page.allowDev.checked,
  });
  return verifier;
}

/** What is trusted has changed. */
function forgetVerifier(): void {
  void verifier?.then((old) => {
    old.close();
  });
  verifier = undefined;
}

/** Judges the evidence on the page against the pins on the page. */
async function judge(): Promise<void> {
  if (evidence.length === 0) {
    return;
  }
  judgement.abort();
  judgement = new AbortController();
  const { signal } = judgement;
  page.progress.textContent = `Checking ${count(evidence.length, "file")}…`;
  page.progress.hidden = false;
  page.result.setAttribute("aria-busy", "true");
  const view = await viewOfJudgement(evidence, signal);
  if (!signal.aborted) {
    page.result.replaceChildren(view);
    page.progress.hidden = true;
    page.result.removeAttribute("aria-busy");
  }
}

async function viewOfJudgement(files: readonly ReadFile[], signal: AbortSignal): Promise<HTMLElement> {
  try {
    const pinned = pins.size;
    const insecureDevSrsAllowed = page.allowDev.checked;
    const current = await ownVerifier();
    const start = performance.now();
    const reports = await current.verifyAll(files, { signal });
    const milliseconds = performance.now() - start;
    return reportsView(reports, {
      bytes: new Map(files.map((file) => [file.name, file.bytes.length])),
      milliseconds,
      pinned,
      insecureDevSrsAllowed,
      misplaced: await trustFilesAmong(files.filter((_, index) => reports[index]?.verdict !== "valid")),
    });
  } catch (error) {
    return signal.aborted
      ? h("p")
      : noVerdictView(
          "The verifier itself stopped. That is a defect of the verifier and says nothing about the file. Please report it.",
          message(error),
        );
  }
}

async function trustFilesAmong(files: readonly ReadFile[]): Promise<Set<string>> {
  const names = new Set<string>();
  for (const file of files) {
    if ((await (await ownVerifier()).describeTrust(file.bytes)).kind === "bundle") {
      names.add(file.name);
    }
  }
  return names;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function showPins(): void {
  page.trustEmpty.hidden = pins.size > 0;
  page.trustList.replaceChildren(
    ...[...pins].map(([fingerprint, pin]) =>
      trustItem(pin, () => {
        void unpin(fingerprint);
      }),
    ),
  );
}

function showTrustProblem(problem: string): void {
  page.trustProblem.textContent = problem;
  page.trustProblem.hidden = problem === "";
}

async function pin(files: readonly ReadFile[]): Promise<void> {
  const problems: string[] = [];
  for (const file of files) {
    try {
      const trust = await (await ownVerifier()).describeTrust(file.bytes);
      if (trust.kind === "rejected") {
        problems.push(`${file.name} was not pinned: ${trust.reason}`);
        continue;
      }
      const { bundle } = trust;
      pins.set(bundle.fingerprint, { fileName: file.name, bytes: file.bytes, bundle });
      await store?.put({ fingerprint: bundle.fingerprint, fileName: file.name, bytes: file.bytes });
    } catch (error) {
      problems.push(`${file.name} was not pinned: ${error instanceof VerificationError && error.code === "verifier-broken" ? "the verifier stopped while reading it." : message(error)}`);
    }
  }
  if (problems.length === 0 && store?.remembers === false) {
    problems.push("This browser keeps nothing for this page: what you pinned is forgotten when it closes.");
  }
  showTrustProblem(problems.join(" "));
  showPins();
  forgetVerifier();
  await judge();
}

async function unpin(fingerprint: string): Promise<void> {
  pins.delete(fingerprint);
  showTrustProblem("");
  showPins();
  await store?.remove(fingerprint);
  forgetVerifier();
  await judge();
}

/** Pins of an earlier visit; what they pin is read from their bytes again. */
async function restorePins(): Promise<void> {
  store = await TrustStore.open();
  for (const stored of await store.all()) {
    const trust = await (await ownVerifier()).describeTrust(stored.bytes);
    if (trust.kind === "bundle" && trust.bundle.fingerprint === stored.fingerprint) {
      pins.set(stored.fingerprint, { fileName: stored.fileName, bytes: stored.bytes, bundle: trust.bundle });
    } else {
      await store.remove(stored.fingerprint);
    }
  }
  if (pins.size > 0) {
    forgetVerifier();
  }
  showPins();
}

ignoreStrayDrops();
showPins();
page.version.textContent = (await ownVerifier()).version;
await restorePins();

dropZone(page.evidenceZone, page.evidenceInput, (files) => {
  void judgeFiles(files);
});
dropZone(page.trustZone, page.trustInput, (files) => {
  read(files).then(pin, (error: unknown) => {
    showTrustProblem(message(error));
  });
});
page.allowDev.addEventListener("change", () => {
  forgetVerifier();
  void judge();
});
document.documentElement.dataset.ready = "true";
