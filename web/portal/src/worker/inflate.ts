/** The WebAssembly modules lie compressed in the page, which is one file: half of what it would weigh otherwise. */

/** The bytes whose gzip is given in base64. */
export async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
