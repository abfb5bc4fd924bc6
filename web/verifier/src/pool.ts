/** A few engines, each with one thing to do at a time. */

import { VerificationError } from "./errors.js";
import type { Channel, Settings } from "./messages.js";

export class Pool {
  readonly size: number;
  /** The verifier's version, known once an engine has started. */
  version = "";
  readonly #open: () => Channel;
  readonly #module: WebAssembly.Module;
  readonly #settings: Settings;
  readonly #idle: Promise<Channel>[] = [];
  readonly #all = new Set<Channel>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #closed = false;

  constructor(size: number, open: () => Channel, module: WebAssembly.Module, settings: Settings) {
    this.size = size;
    this.#open = open;
    this.#module = module;
    this.#settings = settings;
  }

  /** Lets the work have an engine. If it is aborted or breaks, the engine ends, and the next work gets a new one. */
  async run<T>(work: (channel: Channel) => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#turn();
    let channel: Channel | undefined;
    let onAbort: (() => void) | undefined;
    try {
      stopIfAborted(signal);
      const aborted = new Promise<never>((_resolve, reject) => {
        onAbort = () => {
          reject(abortOf(signal));
        };
        signal?.addEventListener("abort", onAbort, { once: true });
      });
      const own = this.#take();
      channel = await Promise.race([own, aborted]).catch((error: unknown) => {
        // Nobody waits for it any more.
        own.then((late) => { this.#discard(late); }, () => undefined);
        throw error;
      });
      const result = await Promise.race([work(channel), aborted]);
      this.#idle.push(Promise.resolve(channel));
      return result;
    } catch (error) {
      if (channel !== undefined) {
        this.#discard(channel);
      }
      throw this.#closed && !signal?.aborted ? closed() : error;
    } finally {
      if (onAbort !== undefined) {
        signal?.removeEventListener("abort", onAbort);
      }
      this.#busy -= 1;
      this.#waiting.shift()?.();
    }
  }

  close(): void {
    this.#closed = true;
    this.#idle.length = 0;
    for (const channel of [...this.#all]) {
      this.#discard(channel);
    }
  }

  async #turn(): Promise<void> {
    while (this.#busy >= this.size && !this.#closed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#closed) {
      this.#waiting.shift()?.();
      throw closed();
    }
    this.#busy += 1;
  }

  #take(): Promise<Channel> {
    return this.#idle.pop() ?? this.#start();
  }

  async #start(): Promise<Channel> {
    const channel = this.#open();
    this.#all.add(channel);
    try {
      this.version = await channel.ask("start", { module: this.#module, settings: this.#settings });
      return channel;
    } catch (error) {
      this.#discard(channel);
      throw error;
    }
  }

  #discard(channel: Channel): void {
    this.#all.delete(channel);
    channel.end();
  }
}

export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw abortOf(signal);
  }
}

function abortOf(signal: AbortSignal | undefined): VerificationError {
  return new VerificationError("aborted", "The signal was aborted.", { cause: signal?.reason });
}

function closed(): VerificationError {
  return new VerificationError("closed", "The verifier was closed.");
}
