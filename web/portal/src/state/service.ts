/** A clearproof service (docs/service.md), as an auditor's key may use it. What it says is checked, not believed. */

/** Why the service gave no answer; the sentence is the service's own where it gave one. */
export class ServiceError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export interface LogKey {
  readonly origin: string;
  readonly key: string;
}

export interface Statistics {
  readonly total: number;
  readonly decisions: number;
  readonly pending: number;
  readonly failed: number;
  readonly verified: number;
}

export interface ServiceModel {
  readonly model: string;
  readonly name: string;
  readonly state: string;
}

/** How long proofs took: decided, and proved, Unix times in milliseconds. */
export interface Latency {
  readonly seq: number;
  readonly decidedMs: number;
  readonly provedMs: number;
}

export class Service {
  readonly #origin: string;
  readonly #key: string;

  constructor(origin: string, key: string) {
    this.#origin = origin;
    this.#key = key;
  }

  async logKey(): Promise<LogKey> {
    const answer = await this.#json("/v1/log-key");
    return { origin: text(answer.origin), key: text(answer.key) };
  }

  async statistics(): Promise<Statistics> {
    const answer = await this.#json("/v1/statistics");
    return { total: count(answer.total), decisions: count(answer.decisions), pending: count(answer.pending), failed: count(answer.failed), verified: count(answer.verified) };
  }

  async models(): Promise<ServiceModel[]> {
    const answer = await this.#request("/v1/models").then((response) => response.json() as Promise<unknown>);
    return (Array.isArray(answer) ? (answer as unknown[]) : []).map(record).map((model) => ({ model: text(model.model), name: text(model.name), state: text(model.state) }));
  }

  async bundle(model: string): Promise<Blob> {
    return (await this.#request(`/v1/models/${encodeURIComponent(model)}/bundle`)).blob();
  }

  /** An evidence file of a window, with the growth since an earlier checkpoint where one is named. */
  async evidence(from: number, to: number, earlier: number | null): Promise<Blob> {
    const body = JSON.stringify({ from, to, metadata: true, bundles: false, ...(earlier === null ? {} : { earlier }) });
    const response = await this.#request("/v1/evidence", { method: "POST", body, headers: { "content-type": "application/json" } });
    return response.blob();
  }

  /** Signs the log as it stands, and says how large it is. */
  async checkpoint(): Promise<number> {
    return count((await this.#json("/v1/checkpoints", { method: "POST" })).size);
  }

  /** A signed checkpoint of exactly this size; undefined where the log keeps none. */
  async checkpointOf(size: number): Promise<Uint8Array | undefined> {
    try {
      const answer = await this.#json(`/v1/checkpoints/${size.toString()}`);
      return answer.size === size ? new TextEncoder().encode(text(answer.note)) : undefined;
    } catch (error) {
      if (error instanceof ServiceError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /** A file of the log as tiles (c2sp.org/tlog-tiles). */
  async logFile(path: string, mostBytes: number): Promise<Uint8Array> {
    const response = await this.#request(`/v1/log/${path}`);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    const reader = response.body?.getReader();
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      length += value.length;
      if (length > mostBytes) {
        await reader.cancel();
        throw new ServiceError(response.status, `${path} is longer than ${mostBytes.toString()} bytes`);
      }
      parts.push(value);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }

  /** How long the newest proofs took, by the service's own word. */
  async latencies(most: number): Promise<Latency[]> {
    const history = await this.#json(`/v1/history?kind=prove&status=verified&limit=${most.toString()}`);
    const records = (Array.isArray(history.records) ? (history.records as unknown[]) : []).map(record);
    const proofs = new Map<number, number>();
    const found: Latency[] = [];
    for (const { seq, time_ms, proof } of records) {
      if (typeof proof !== "number") {
        continue;
      }
      const provedMs = proofs.get(proof) ?? count((await this.#json(`/v1/proofs/${proof.toString()}`)).proved_ms);
      proofs.set(proof, provedMs);
      found.push({ seq: count(seq), decidedMs: count(time_ms), provedMs });
    }
    return found.reverse();
  }

  /** Names of events as they come, until the signal ends it. */
  async *events(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const response = await this.#request("/v1/events", { signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      const lines = (rest + value).split("\n");
      rest = (lines.pop() ?? "").slice(-MOST_LINE);
      for (const line of lines) {
        const name = /^event: ?(.+?)\r?$/.exec(line)?.[1];
        if (name !== undefined) {
          yield name;
        }
      }
    }
  }

  async #json(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    return record(await (await this.#request(path, init)).json());
  }

  async #request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${this.#key}`);
    const response = await fetch(`${this.#origin}${path}`, { ...init, headers, credentials: "omit", redirect: "error", cache: "no-store" });
    if (!response.ok) {
      const problem = record(await response.json().catch(() => undefined));
      throw new ServiceError(response.status, text(problem.detail) || response.statusText);
    }
    return response;
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

const MOST_LINE = 1 << 16;
