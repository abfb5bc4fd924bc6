import { VerificationError, messageOf } from "../errors.js";

/** Where the WebAssembly module may come from. An address is fetched. */
export type WasmSource = WebAssembly.Module | BufferSource | Response | URL | string;

/** Compiles the module, off the thread where the platform can. */
export async function compile(source: WasmSource | Promise<WasmSource>): Promise<WebAssembly.Module> {
  try {
    const from = await source;
    if (from instanceof WebAssembly.Module) {
      return from;
    }
    return await WebAssembly.compile(await bytesOf(from));
  } catch (error) {
    throw new VerificationError("wasm-unavailable", messageOf(error), { cause: error });
  }
}

async function bytesOf(source: BufferSource | Response | URL | string): Promise<BufferSource> {
  if (typeof source === "string" || source instanceof URL) {
    return bytesOf(await fetch(source));
  }
  if (!(source instanceof Response)) {
    return source;
  }
  if (!source.ok) {
    throw new Error(`${source.url} answered with status ${source.status.toString()}`);
  }
  return source.arrayBuffer();
}
