/** A constraint's statement (docs/groth16.md) as people read it: the bounds of its fields. The verifier judges the whole. */

/** `100 ≤ num_samples`; nothing for what is no such statement. */
export function boundsOf(statement: string): string[] {
  try {
    const { compliance } = JSON.parse(statement) as { readonly compliance?: { readonly constraints?: unknown } };
    return Array.isArray(compliance?.constraints) ? compliance.constraints.flatMap(bound) : [];
  } catch {
    return [];
  }
}

function bound(constraint: unknown): string[] {
  if (typeof constraint !== "object" || constraint === null) {
    return [];
  }
  const { name, min, max } = constraint as Readonly<Record<string, unknown>>;
  const limit = (value: unknown): string => (typeof value === "number" ? value.toString() : "");
  const [from, to] = [limit(min), limit(max)];
  return typeof name !== "string" || (from === "" && to === "") ? [] : [`${from === "" ? "" : `${from} ≤ `}${name}${to === "" ? "" : ` ≤ ${to}`}`];
}
