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
    const layers = runs(list(parsed.ops).map((op) => layer(record(op))));
    return {
      inputs: list(parsed.inputs).map((input) => ({ name: text(record(input).name), shape: list(record(input).shape).map(text).join(" × ") })),
      layers: layers.slice(0, MOST_LAYERS),
      decision: text(parsed.decision),
      more: Math.max(0, layers.length - MOST_LAYERS),
    };
  } catch {
    return undefined;
  }
}

/** Layers of one kind that follow each other, as one. */
function runs(layers: readonly Skeleton["layers"][number][]): Skeleton["layers"][number][] {
  const found: { op: string; detail: string; count: number }[] = [];
  for (const layer of layers) {
    const last = found.at(-1);
    if (last?.op === layer.op && layer.op === "local") {
      last.count += 1;
    } else {
      found.push({ ...layer, count: 1 });
    }
  }
  return found.map(({ op, detail, count }) => ({ op: count > 1 ? `${op} × ${count.toString()}` : op, detail: count > 1 ? "" : detail }));
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
