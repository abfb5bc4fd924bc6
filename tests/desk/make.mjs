/**
 * Makes the evidence of this folder anew: `node tests/desk/make.mjs` in the repository's root, after
 * `cargo build --workspace --bin clearproof`. A desk with two models, one after the other, on a service of its own, and a
 * witness of its log.
 */

import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HERE = join(ROOT, "tests/desk");
const COMMAND = process.env.CLEARPROOF ?? join(ROOT, "target/debug/clearproof");
const ADDRESS = "127.0.0.1:18447";

const work = mkdtempSync(join(tmpdir(), "clearproof-desk-"));
const desk = join(work, "desk");
const run = (...args) => execFileSync(COMMAND, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

// 1. A log, and two models with their policies.
const made = run("serve", "--init", "--dir", desk, "--origin", "desk.example/log");
const logKey = /\S+\+[0-9a-f]{8}\+\S+/.exec(made)?.[0];
const keys = Object.fromEntries([...made.matchAll(/^\s*(trader|auditor|admin)\S*\s+(\S+)\s*$/gm)].map(([, role, key]) => [role, key]));
if (logKey === undefined || Object.keys(keys).length !== 3) {
  throw new Error(`serve --init said something else:\n${made}`);
}
for (const [name, model] of [["first", "compliance"], ["second", "compliance_other"]]) {
  run("compile", join(ROOT, `tests/models/${model}.onnx`), "--policy", join(HERE, `${name}.toml`), "--batch", "12", "--out", join(desk, "models", name));
  copyFileSync(join(desk, "models", name, "verifier.bin"), join(HERE, `${name}.verifier.bin`));
}

// 2. Decisions over HTTP.
const [header, ...lines] = readFileSync(join(ROOT, "tests/data/trades.csv"), "utf8").trim().split("\n");
const columns = header.split(",");
const trades = lines.map((line) => Object.fromEntries(line.split(",").map((cell, index) => [columns[index], cell])));
const ask = async (role, method, path, body) => {
  const response = await fetch(`http://${ADDRESS}/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${keys[role]}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(`${path}: ${JSON.stringify(answer)}`);
  }
  return answer;
};
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const decide = async (from, to) => {
  for (const { side, symbol, ...rest } of trades.slice(from, to)) {
    const features = Object.fromEntries(["size", "leverage", "price", "volume", "position_pct"].map((name) => [name, Number(rest[name])]));
    await ask("trader", "POST", "decisions", { features, metadata: { symbol, side } });
    await sleep(60);
  }
  for (;;) {
    const { pending, failed } = await ask("auditor", "GET", "statistics");
    if (failed > 0) {
      throw new Error("a proof failed");
    }
    if (pending === 0) {
      return (await ask("auditor", "POST", "checkpoints")).size;
    }
    await sleep(500);
  }
};

const service = spawn(COMMAND, ["serve", "--dir", desk, "--listen", ADDRESS], { stdio: ["ignore", "inherit", "inherit"] });
try {
  await sleep(3000);
  const first = (await ask("admin", "POST", "models/load", { folder: "first" })).model;
  await ask("admin", "POST", `models/${first}/register`, { note: "trained on the desk's trades of May" });
  await ask("admin", "POST", `models/${first}/approve`, { note: "reviewed by the risk committee" });
  const visit = await decide(0, 40);
  const answer = await fetch(`http://${ADDRESS}/v1/evidence`, {
    method: "POST",
    headers: { authorization: `Bearer ${keys.auditor}`, "content-type": "application/json" },
    body: JSON.stringify({ from: 0, to: visit, metadata: true }),
  });
  if (!answer.ok) {
    throw new Error(await answer.text());
  }
  writeFileSync(join(HERE, "first-visit.evidence"), Buffer.from(await answer.arrayBuffer()));
  const second = (await ask("admin", "POST", "models/load", { folder: "second" })).model;
  await ask("admin", "POST", `models/${second}/register`, { note: "retrained, tighter leverage" });
  await ask("admin", "POST", `models/${second}/change`, { replaces: first, note: "approved on 12 June" });
  const size = await decide(40, 64);
  service.kill("SIGTERM");
  await new Promise((resolve) => service.once("exit", resolve));

  // 3. What an auditor gets on a second visit: the growth since the first, and two records' inputs.
  run("audit", "--dir", desk, "export", "--to", size.toString(), "--metadata", "--earlier", visit.toString(), "--disclose", "7", "--disclose", "50", "--out", join(HERE, "second-visit.evidence"));
  writeFileSync(join(HERE, "log.key"), `${logKey}\n`);

  // 4. A witness saw both checkpoints, and its signature on the second comes with the newest entries.
  let witnessKey;
  for (const visit of ["first", "second"]) {
    const said = run("audit", "cosign", join(HERE, `${visit}-visit.evidence`), "--log-key", logKey, "--key", join(work, "witness.key"), "--name", "witness.example", "--memory", join(work, "seen"), "--out", join(work, "checkpoint"));
    witnessKey = said.trim().split(" ").at(-1);
  }
  run("audit", "--dir", desk, "witnessed", join(work, "checkpoint"), "--witness-key", witnessKey);
  run("audit", "--dir", desk, "export", "--from", visit.toString(), "--to", size.toString(), "--metadata", "--earlier", visit.toString(), "--out", join(HERE, "witnessed.evidence"));
  writeFileSync(join(HERE, "witness.key"), `${witnessKey}\n`);
} finally {
  service.kill("SIGTERM");
  rmSync(work, { recursive: true, force: true });
}
