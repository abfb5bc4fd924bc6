/** The architecture that a bundle tells in public: the integer skeleton in its `verifier.bin`, without a weight. */

import { decode, field } from "../worker/cbor.js";

export interface Skeleton {
  readonly inputs: readonly { readonly name: string; readonly shape: string }[];
  readonly layers: readonly { readonly op: string; readonly detail: string }[];
  readonly decision: string;
  /** Layers beyond those listed. */
  readonly more: number;
}

/** Undefined where the bundle has none that can be read; the verifier, not this, says whether a bundle is good. */
export function skeletonOf(bundle: Uint8Array): Skeleton | undefined {
  try {
    const item = field(decode(bundle), 5);
    if (item?.kind !== "bytes") {
      return undefined;
    }
    const parsed = record(JSON.parse(new TextDecoder().decode(item.value)));
    const ops = list(parsed.ops);
    return {
      inputs: list(parsed.inputs).map((input) => ({ name: text(record(input).name), shape: list(record(input).shape).map(text).join(" × ") })),
      layers: ops.slice(0, MOST_LAYERS).map((op) => layer(record(op))),
      decision: text(parsed.decision),
      more: Math.max(0, ops.length - MOST_LAYERS),
    };
  } catch {
    return undefined;
  }
}

function layer(op: Record<string, unknown>): Skeleton["layers"][number] {
  const size = (value: unknown): string | undefined => (Array.isArray(value) ? value.length.toString() : typeof value === "number" ? value.toString() : undefined);
  const inputs = size(op.inputs ?? op.left ?? op.input);
  const outputs = size(op.outputs ?? op.left ?? op.output);
  const activation = text(op.activation);
  return {
    op: text(op.op),
    detail: [
      inputs === undefined ? "" : `${inputs} → ${outputs ?? inputs}`,
      activation === "none" ? "" : activation,
    ].filter((part) => part !== "").join(", "),
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? value.toString() : "";
}

const MOST_LAYERS = 40;
