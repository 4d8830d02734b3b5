// What can go wrong: the server answered with an error, or did not answer. Nothing else is thrown by the client, but the
// reason of a signal that its caller aborted.

/** The server answered with problem details (RFC 9457). Branch on `code`; the message is for people. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | null;

  constructor(status: number, code: string, detail: string, retryAfterMs: number | null = null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer came, or it broke off: what was asked for may have happened. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** Whether the same request may succeed in a while. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true;
  return error instanceof ApiProblem && (error.status >= 500 || error.status === 429 || error.status === 408);
}

export async function problemOf(response: Response): Promise<ApiProblem> {
  const body = (await response.json().catch(() => ({}))) as Readonly<Record<string, unknown>>;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ApiProblem(
    response.status,
    String(body.code ?? 'no-code'),
    String(body.detail ?? `The server answered ${response.status}.`),
    Number.isFinite(seconds) ? seconds * 1_000 : null,
  );
}
