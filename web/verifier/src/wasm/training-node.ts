import { readFile } from "node:fs/promises";

/** The module for training certificates, read. */
export async function ownModule(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(new URL("../training-pkg/clearproof_training_bg.wasm", import.meta.url)));
}
