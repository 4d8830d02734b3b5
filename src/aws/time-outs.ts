// How long an AWS client waits for an answer. By default the SDK's `requestTimeout` only prints a warning, and nothing
// notices a body that stops in the middle: a turn would hang until its lease is lost.

/** For a client's `requestHandler`. No answer, or a silent connection, is a TimeoutError, which the client retries. */
export function timeOuts(answerWithinMs: number, silentForMs: number) {
  return {
    connectionTimeout: 1_000,
    requestTimeout: answerWithinMs,
    throwOnRequestTimeout: true,
    socketTimeout: silentForMs,
  } as const;
}
