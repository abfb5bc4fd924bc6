import { readFile } from "node:fs/promises";

/** The module beside this file, read. */
export async function ownModule(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(new URL("../pkg/clearproof_verifier_bg.wasm", import.meta.url)));
}
