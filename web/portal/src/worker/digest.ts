/** SHA-256 of files. */

/** In hex; null where the page is not served securely, so that the browser computes none. */
export async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string | null> {
  const subtle = (crypto as { readonly subtle?: SubtleCrypto }).subtle;
  if (subtle === undefined) {
    return null;
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function digestOfBlob(blob: Blob): Promise<string | null> {
  return digestOf(new Uint8Array(await blob.arrayBuffer()));
}
