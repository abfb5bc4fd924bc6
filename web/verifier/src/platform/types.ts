/** What differs between browsers and Node, of workers. */
export interface WorkerHandle {
  post(message: object, transfer: readonly ArrayBuffer[]): void;
  /** Whether an answer is awaited; a worker without work must not keep a process alive. */
  setBusy(busy: boolean): void;
  terminate(): void;
}

export interface WorkerEvents {
  readonly message: (data: unknown) => void;
  /** The worker failed, for a reason that a person can read. */
  readonly error: (detail: string) => void;
}
