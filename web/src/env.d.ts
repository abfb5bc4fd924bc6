/** The worker as one script (build/inline-worker.ts). */
declare module "virtual:worker-source" {
  const source: string;
  export default source;
}

/** The verifier's WebAssembly module in base64 (build/inline-worker.ts). */
declare module "virtual:verifier-wasm" {
  const base64: string;
  export default base64;
}

/** The part of Trusted Types that the page uses; TypeScript's DOM library has none of it yet. */
interface Window {
  readonly trustedTypes?: {
    createPolicy(
      name: string,
      rules: { createScriptURL: (candidate: string) => string },
    ): { createScriptURL(candidate: string): string };
  };
}

declare module "*.css";
