// A turn's events to their end, each once and in order, over any number of lost connections.
import { ApiProblem, ConnectionLost, isPassing } from './problem.ts';
import { pause, type Requests } from './requests.ts';
import { readServerSentEvents } from './server-sent-events.ts';
import type { Answer, ClientEvent, Turn } from './shapes.ts';

/** The server says something at least every 15 s; a stream silent for longer is taken for dead. */
const SILENCE_MS = 40_000;

export async function* followTurn(
  requests: Requests,
  turnId: string,
  signal?: AbortSignal,
): AsyncGenerator<ClientEvent, void, undefined> {
  const path = `/v1/turns/${encodeURIComponent(turnId)}`;
  let place: string | null = null;
  for (let failures = 0; ; ) {
    signal?.throwIfAborted();
    const attempt = new AbortController();
    const giveUp = () => attempt.abort();
    signal?.addEventListener('abort', giveUp);
    let silence = setTimeout(giveUp, SILENCE_MS);
    try {
      const response: Response = await requests.request(`${path}/events`, {
        headers: { accept: 'text/event-stream', ...(place !== null && { 'last-event-id': place }) },
        signal: attempt.signal,
      });
      if (failures > 0) requests.onTrouble(null);
      // Nothing is left to tell behind the last event seen; the end itself was not.
      if (response.status === 204) return yield await finalOf(requests, path, signal);
      const alive = () => {
        failures = 0;
        clearTimeout(silence);
        silence = setTimeout(giveUp, SILENCE_MS);
      };
      if (response.body === null) throw new ConnectionLost('The answer has no body.');
      for await (const { id, event, data } of readServerSentEvents(response.body, alive)) {
        place = id ?? place;
        const told = { ...JSON.parse(data), type: event } as ClientEvent;
        yield told;
        if (told.type === 'final') return;
      }
      throw new ConnectionLost('The stream ended before its last event.');
    } catch (error) {
      signal?.throwIfAborted();
      // What broke off in the middle of a stream has no class of its own.
      if (error instanceof ApiProblem && !isPassing(error)) throw error;
      failures += 1;
      requests.onTrouble(error);
      await pause(error, failures, signal);
    } finally {
      clearTimeout(silence);
      signal?.removeEventListener('abort', giveUp);
      attempt.abort();
    }
  }
}

async function finalOf(requests: Requests, path: string, signal?: AbortSignal): Promise<ClientEvent> {
  const { turn_id, session_id, generation, reply } = await requests.json<Turn>(path, { signal });
  const answer = { turn_id, session_id, generation, reply } as Answer;
  return { type: 'final', ...answer };
}
