/** The worker's program for training certificates: the module that knows them, answering messages. */

import { Files, type TrainingReport, Verifier, describeTrainingCertificate, initSync, rosterDigest } from "@clearproof/verifier/training";
import packed from "virtual:training-wasm";
import type { Told } from "../state/worker-client.js";
import { digestOf } from "./digest.js";
import { inflate } from "./inflate.js";
import type { Broken, TrustSettings } from "./messages.js";
import type { Roster } from "./roster.js";
import { type TamperAction, difference } from "./tamper.js";
import { tamperTraining, trainingOffers } from "./tamper-training.js";
import type { NamedModel, Training, TrainingAsked, TrainingCase, TrainingQuestions } from "./training-messages.js";

const ready = inflate(packed).then((module) => { initSync({ module }); });

self.onmessage = (event: MessageEvent<TrainingAsked>): void => {
  const { id } = event.data;
  const post = (told: Told<never>): void => {
    self.postMessage(told);
  };
  answer(event.data).then(
    (answer) => { post({ id, answer }); },
    (error: unknown) => { post({ id, code: "training-broken", detail: error instanceof Error ? error.message : String(error) }); },
  );
};

async function answer(asked: TrainingAsked): Promise<TrainingQuestions[TrainingAsked["kind"]]["answer"]> {
  await ready;
  switch (asked.kind) {
    case "roster":
      return fingerprint(asked.roster);
    case "judge":
      return judge(asked);
    case "offers":
      return trainingOffers(await bytesOf(asked.certificate.blob));
    case "break":
      return attack(asked, asked.action);
  }
}

async function judge(given: TrainingCase): Promise<Training> {
  const { certificate } = given;
  const bytes = await bytesOf(certificate.blob);
  const { report, decisions } = await verified(bytes, given);
  return { file: certificate.name, bytes: bytes.length, digest: await digestOf(bytes), report, decisions };
}

async function attack(given: TrainingCase, action: TamperAction): Promise<Broken | null> {
  const before = await bytesOf(given.certificate.blob);
  const after = tamperTraining(before, action);
  if (after === undefined) {
    return null;
  }
  const { report } = await verified(after, given);
  const { first, bytes: differing } = difference(before, after);
  return { verdict: report.verdict, checks: report.checks, first, differing, bytes: after.length };
}

async function verified(bytes: Uint8Array, { decisions, settings, rosters }: TrainingCase): Promise<{ report: TrainingReport; decisions: NamedModel[] }> {
  const claims = describeTrainingCertificate(bytes);
  // 1. The roster: the pinned one that the certificate is of, else any, which it then fails.
  const pinned = rosters.map(fingerprint);
  const roster = pinned.find((digest) => digest === claims?.roster) ?? pinned[0];
  // 2. Decisions: those that name its model are checked with it; others are none of its business, and said to be others.
  const named = decisions.map(({ file, commitments }) => ({
    file: file.name,
    model: commitments.length === 0 ? ("none" as const) : commitments.every((commitment) => commitment === claims?.commitment) ? ("same" as const) : ("other" as const),
  }));
  const files = new Files();
  const verifier = verifierOf(settings);
  try {
    for (const [index, { file }] of decisions.entries()) {
      if (named[index]?.model === "same") {
        const content = await bytesOf(file.blob);
        if (!files.begin(file.name, content.length) || !files.append(content)) {
          throw new RangeError("there is no memory for a file of this size");
        }
      }
    }
    return { report: verifier.verifyTrainingCertificate(bytes, roster, files), decisions: named };
  } finally {
    verifier.free();
    files.free();
  }
}

function verifierOf({ bundles, logKeys, witnessKeys, allowInsecureDevSrs }: TrustSettings): Verifier {
  const verifier = new Verifier();
  // Each was accepted by the desk when it was pinned.
  for (const bundle of bundles) {
    verifier.trustBundle(bundle);
  }
  for (const key of logKeys) {
    verifier.trustLog(key);
  }
  for (const key of witnessKeys) {
    verifier.trustWitness(key);
  }
  if (allowInsecureDevSrs) {
    verifier.allowInsecureDevSrs();
  }
  return verifier;
}

function fingerprint(roster: Roster): string {
  const keys = roster.flatMap(({ signingKey, sealingKey }) => [...bytesOfHex(signingKey), ...bytesOfHex(sealingKey)]);
  const digest = rosterDigest(roster.map(({ name }) => name), Uint8Array.from(keys));
  if (digest === undefined) {
    throw new RangeError("a roster has two keys a party");
  }
  return digest;
}

function bytesOfHex(hex: string): number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}
