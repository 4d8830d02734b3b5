// Translates errors of AWS clients into this project's error families. The client has already retried (standard mode:
// bounded, with jitter) before an error gets here, so `Refused` leaves the next attempt to the worker that has the
// turn. A failed condition is an answer, not an error: callers check for it before they call this.
import { isHybridError, Refused } from '../core/errors.ts';

interface AwsError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $retryable?: { readonly throttling?: boolean };
}

const THROTTLED =
  /Throttl|ProvisionedThroughputExceeded|RequestLimitExceeded|TooManyRequests|SlowDown|OverLimit|LimitExceeded|TransactionConflict|TransactionInProgress/;

const NOT_SET_UP =
  /AccessDenied|UnrecognizedClient|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignature|ExpiredToken|MissingAuthentication|Credentials|ResourceNotFound|NoSuchBucket|QueueDoesNotExist|NonExistentQueue|InvalidClientTokenId/;

export function errorName(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

export function statusOf(error: unknown): number | undefined {
  return (error as AwsError | null)?.$metadata?.httpStatusCode;
}

/** True when no answer came or the server failed while answering: a write may have happened. */
export function isOutcomeUnknown(error: unknown): boolean {
  if (isHybridError(error)) return false;
  const status = statusOf(error);
  return status === undefined || status >= 500;
}

/** The error to throw for a call that still fails after the client's own retries. `what` names the service. */
export function refusal(what: string, error: unknown): Error {
  if (isHybridError(error)) return error;
  const name = errorName(error);
  if (THROTTLED.test(name) || (error as AwsError)?.$retryable?.throttling || statusOf(error) === 429) {
    return new Refused('throttled', `${what} is throttling requests (${name}).`, {
      cause: error,
      retryAfterMs: 2_000,
      advice: 'If it lasts, raise the limits of the table, bucket or queue.',
    });
  }
  if (NOT_SET_UP.test(name) || statusOf(error) === 403) {
    return new Refused('store-not-set-up', `${what} refuses this program (${name}).`, {
      cause: error,
      retryAfterMs: 30_000,
      advice: 'Check the names, the region and the permissions of the role.',
    });
  }
  return new Refused('store-unavailable', `${what} gave no usable answer (${name || 'unknown error'}).`, {
    cause: error,
    retryAfterMs: 2_000,
  });
}
