// How Slack says no: a code in the body of a 200, or a status of its own for rates.

export class SlackRefusal extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** 429 with `Retry-After`, in seconds. */
export class SlackRateLimit extends Error {
  readonly retryAfterSec: number;
  constructor(retryAfterSec: number) {
    super(`ratelimited, ${retryAfterSec} s`);
    this.retryAfterSec = retryAfterSec;
  }
}
