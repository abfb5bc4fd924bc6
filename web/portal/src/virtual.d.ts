declare module "*.css";

/** The desk's program, see build/workers.ts. */
declare module "virtual:desk-worker" {
  const source: string;
  export default source;
}

/** The program that checks training certificates. */
declare module "virtual:training-worker" {
  const source: string;
  export default source;
}

/** The verifier's WebAssembly module: base64 of its gzip. */
declare module "virtual:verifier-wasm" {
  const packed: string;
  export default packed;
}

/** The module that knows training certificates too: base64 of its gzip. */
declare module "virtual:training-wasm" {
  const packed: string;
  export default packed;
}

/** The style of exported reports, see build/report-style.ts. */
declare module "virtual:report-style" {
  const style: { readonly text: string; readonly hash: string };
  export default style;
}
