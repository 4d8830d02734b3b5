// Few families, data on them. Callers branch on the class or on `code`, never on the text. `message` is fit for
// a log line or an operator; `advice` (where set) is one sentence fit for the person who can mend it.

export interface ErrorData {
  readonly cause?: unknown;
  /** One sentence that says what to do. */
  readonly advice?: string;
  /** Facts for logs and API answers: no secrets, no paths of the machine. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** The base of every error this package throws on purpose. */
export abstract class HybridError extends Error {
  readonly code: string;
  readonly advice: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: ErrorData = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.advice = options.advice;
    this.data = options.data ?? {};
  }
}

/** It did not happen and may be tried again, after `retryAfterMs`. */
export class Refused extends HybridError {
  readonly retryAfterMs: number;
  constructor(code: string, message: string, options: ErrorData & { retryAfterMs?: number } = {}) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs ?? 1_000;
  }
}

/** No answer came: it may have happened. Never repeat blindly. */
export class Ambiguous extends HybridError {}

/** Somebody else changed it first. `lease-lost` is the one that must stop a worker at once. */
export class Conflict extends HybridError {}

/** The input is wrong and will stay wrong. */
export class Invalid extends HybridError {}

/** What was named does not exist (any more), or the chat cannot be reached for good. */
export class Gone extends HybridError {}

/** It cannot be sent now. The channel has noted that, and brings it with a later reply of the same conversation. */
export class Owed extends Gone {}

/** Stored state cannot be read back as it was written. Never treated as "a new session". */
export class Corrupt extends HybridError {}

export function isHybridError(error: unknown): error is HybridError {
  return error instanceof HybridError;
}

/** True when this worker no longer holds the session: stop, write nothing, send nothing. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof Conflict && error.code === 'lease-lost';
}
