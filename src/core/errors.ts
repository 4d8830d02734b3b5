// Few families, data on them. Callers branch on the class or on `code`, never on the text. `message` is fit for
// a log line or an operator; `advice` (where set) is one sentence fit for the person who can mend it.

export interface ErrorData {
  readonly cause?: unknown;
  /** One sentence that says what to do. */
  readonly advice?: string;
  /** Facts for logs and API answers: no secrets, no paths of the machine. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Names of an error's families. Under a registered symbol: a channel of one's own may bring another copy of this file. */
const FAMILIES = Symbol.for('hybrid-sessions.error-families');

/** The base of every error this package throws on purpose. */
export abstract class HybridError extends Error {
  /** Set by the families; a class below one is told by its own prototype. */
  static readonly family: string = 'HybridError';

  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore-start lint/complexity/noThisInStatic: `this` is the family that is asked for, not this class.
    if (!Object.hasOwn(this, 'family')) return Function.prototype[Symbol.hasInstance].call(this, value);
    const families: unknown = typeof value === 'object' && value !== null && Reflect.get(value, FAMILIES);
    return Array.isArray(families) && families.includes(this.family);
    // biome-ignore-end lint/complexity/noThisInStatic: as above.
  }

  readonly code: string;
  readonly advice: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: ErrorData = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.advice = options.advice;
    this.data = options.data ?? {};
    Object.defineProperty(this, FAMILIES, { value: familiesOf(new.target) });
  }
}

function familiesOf(made: typeof HybridError): readonly string[] {
  const families: string[] = [];
  for (let at: object | null = made; at !== null && at !== Error; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, 'family')) families.push((at as typeof HybridError).family);
  }
  return families;
}

/** It did not happen and may be tried again, after `retryAfterMs`. */
export class Refused extends HybridError {
  static override readonly family: string = 'Refused';
  readonly retryAfterMs: number;
  constructor(code: string, message: string, options: ErrorData & { retryAfterMs?: number } = {}) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs ?? 1_000;
  }
}

/** No answer came: it may have happened. Never repeat blindly. */
export class Ambiguous extends HybridError {
  static override readonly family: string = 'Ambiguous';
}

/** Somebody else changed it first. `lease-lost` is the one that must stop a worker at once. */
export class Conflict extends HybridError {
  static override readonly family: string = 'Conflict';
}

/** The input is wrong and will stay wrong. */
export class Invalid extends HybridError {
  static override readonly family: string = 'Invalid';
}

/** What was named does not exist (any more), or the chat cannot be reached for good. */
export class Gone extends HybridError {
  static override readonly family: string = 'Gone';
}

/** It cannot be sent now. The channel has noted that, and brings it with a later reply of the same conversation. */
export class Owed extends Gone {
  static override readonly family: string = 'Owed';
}

/** Stored state cannot be read back as it was written. Never treated as "a new session". */
export class Corrupt extends HybridError {
  static override readonly family: string = 'Corrupt';
}

export function isHybridError(error: unknown): error is HybridError {
  return error instanceof HybridError;
}

/** True when this worker no longer holds the session: stop, write nothing, send nothing. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof Conflict && error.code === 'lease-lost';
}
