// Every error that the rules of a session store can end in: its family, its words, its advice, each said once.
// Errors of a platform (a full disk, a throttled table) stand in that adapter's folder. The contract has a case for
// every code of this table, and fails to compile without one.
import {
  Conflict,
  Corrupt,
  type ErrorData,
  Gone,
  type HybridError,
  Invalid,
  Refused,
} from '../../core/errors.ts';

interface ErrorOptions extends ErrorData {
  readonly retryAfterMs?: number;
}

/** One row of a table of errors. */
export interface ErrorEntry {
  readonly family: new (code: string, message: string, options?: ErrorOptions) => HybridError;
  readonly message: string;
  readonly advice?: string;
}

export const sessionStoreErrors = {
  'lease-lost': { family: Conflict, message: 'This worker no longer holds the session.' },
  'lease-busy': { family: Refused, message: 'Another worker runs this session.' },
  'idempotency-mismatch': {
    family: Invalid,
    message: 'A message with this id but another content was accepted before.',
    advice: 'Use a new Idempotency-Key for a new message.',
  },
  'head-missing': {
    family: Corrupt,
    message: 'The conversation points at a session whose head is missing.',
    advice:
      'Run `hybrid-sessions sessions verify`, then restore the store from a backup or erase the conversation.',
  },
  'session-exists': {
    family: Conflict,
    message: 'A session with this id exists already.',
    advice: 'Erase the session that has the id, or keep it: it is the same one.',
  },
  'conversation-taken': {
    family: Conflict,
    message: 'The new key of the conversation points at another session.',
  },
  'not-queued': { family: Conflict, message: 'A message that was to be gathered does not wait any more.' },
  'unknown-turn': { family: Gone, message: 'There is no such turn.' },
  'unknown-session': { family: Gone, message: 'There is no such session.' },
  'not-committed': { family: Invalid, message: 'Only a committed turn can be settled.' },
  'bad-generation': {
    family: Invalid,
    message: 'This generation cannot be written.',
    advice: 'Keep the generation that was restored, or write the next one.',
  },
  'bad-session-id': {
    family: Invalid,
    message: 'This is not a session id.',
    advice: 'Use 1 to 64 of the characters A-Z a-z 0-9 _ - (a UUID is one).',
  },
  'anchor-too-large': {
    family: Invalid,
    message: "The channel's note about a turn is too large.",
    advice: 'A channel may note at most 64,000 bytes of JSON: keep ids in it, not texts.',
  },
  'bad-cursor': {
    family: Invalid,
    message: 'The cursor is not one this list handed out.',
    advice: 'Begin the list again without a cursor.',
  },
  'record-unreadable': {
    family: Corrupt,
    message: 'A stored record cannot be read back as it was written.',
    advice: 'Keep a copy of the store as it is, then restore it from a backup or erase the conversation.',
  },
  'store-closed': { family: Refused, message: 'The store is closed.' },
  contended: { family: Refused, message: 'The conversation changed while it was written: try again.' },
} as const satisfies Record<string, ErrorEntry>;

export type SessionStoreErrorCode = keyof typeof sessionStoreErrors;

/** Facts of this one case go into `data`, never into the words. */
export function storeError(
  code: SessionStoreErrorCode,
  options: Pick<ErrorOptions, 'cause' | 'data' | 'retryAfterMs'> = {},
): HybridError {
  return errorOf(code, sessionStoreErrors[code], options);
}

export function errorOf(
  code: string,
  { family, message, advice }: ErrorEntry,
  options: Pick<ErrorOptions, 'cause' | 'data' | 'retryAfterMs'>,
): HybridError {
  return new family(code, message, { ...options, ...(advice !== undefined && { advice }) });
}
