// A turn's events: server-sent events read over fetch, so that the key can be sent and the place kept. Promises:
// every event once and in order, across any number of lost connections, until `final`.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { TurnEvent } from './types.js' */
import { ApiProblem, isPassing } from './api.js';

/** The server says something at least every 15 s; a stream silent for longer is taken for dead. */
const SILENCE_MS = 40_000;

/**
 * Parses a stream of server-sent events.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {() => void} [onBytes] called for anything that arrives, comments too
 * @returns {AsyncGenerator<{ id: string | null, event: string, data: string }>}
 */
export async function* readEvents(stream, onBytes = () => {}) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let buffered = '';
  let id = null;
  let event = 'message';
  /** @type {string[]} */
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      buffered += decoder.decode(value, { stream: true });
      // A CR at the very end may be half of a CRLF: it waits for what follows.
      const lines = buffered.split(/\r\n|\n|\r(?!$)/);
      buffered = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield { id, event, data: data.join('\n') };
          event = 'message';
          data = [];
          continue;
        }
        const [, field = '', text = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
        if (field === 'data') data.push(text);
        else if (field === 'event') event = text;
        else if (field === 'id') id = text;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * Follows a turn to its end. Resolves after `final`, or when the signal aborts; throws `ApiProblem` where the server
 * refuses for good (the turn is unknown).
 * @param {{ api: Api, connection: Connection, turnId: string, signal: AbortSignal, onEvent: (event: TurnEvent) => void }} options
 */
export async function followTurn({ api, connection, turnId, signal, onEvent }) {
  /** @type {string | null} */
  let lastEventId = null;
  let failures = 0;
  const who = {};
  try {
    while (!signal.aborted) {
      const attempt = new AbortController();
      const giveUp = () => attempt.abort();
      signal.addEventListener('abort', giveUp);
      let silence = setTimeout(giveUp, SILENCE_MS);
      let leastMs = null;
      let problem = null;
      try {
        const response = await api.request(`/v1/turns/${encodeURIComponent(turnId)}/events`, {
          headers: {
            Accept: 'text/event-stream',
            ...(lastEventId === null ? {} : { 'Last-Event-ID': lastEventId }),
          },
          signal: attempt.signal,
        });
        connection.restored(who);
        // Nothing is left to tell after the last event seen.
        if (response.status === 204) return;
        const alive = () => {
          clearTimeout(silence);
          silence = setTimeout(giveUp, SILENCE_MS);
        };
        for await (const message of readEvents(
          /** @type {ReadableStream<Uint8Array>} */ (response.body),
          alive,
        )) {
          failures = 0;
          lastEventId = message.id ?? lastEventId;
          const event = /** @type {TurnEvent} */ ({ type: message.event, data: JSON.parse(message.data) });
          onEvent(event);
          if (event.type === 'final') return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiProblem && !isPassing(error)) throw error;
        problem = error;
        if (error instanceof ApiProblem) leastMs = error.retryAfterMs;
      } finally {
        clearTimeout(silence);
        signal.removeEventListener('abort', giveUp);
      }
      if (signal.aborted) return;
      failures += 1;
      connection.lost(who, problem);
      await connection.pause(failures, signal, leastMs);
    }
  } finally {
    connection.restored(who);
  }
}
