// Sends one request to the model's server and resolves with the head of its answer. A kept connection that the network
// dropped is noticed within seconds and the request sent once more on a fresh one; silence is told, and ends one day.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { UpstreamConnections } from './connections.ts';
import type { OutgoingRequest } from './model-upstream.ts';

const CONNECT_MS = 10_000;
/** A kept connection without an answer by then is taken for dead; the request is sent once more on a fresh one. */
const DEAD_AFTER_MS = 20_000;
/** After this long without an answer the person is told. */
const SILENT_AFTER_MS = 20_000;
/** Without a byte for so long the model is away. */
const GIVE_UP_MS = 300_000;

export interface Sending {
  readonly connections: UpstreamConnections;
  readonly signal: AbortSignal;
  /** Called when the model has said nothing for a while, and when it speaks again. */
  readonly onSilence?: ((silent: boolean) => void) | undefined;
}

export interface UpstreamAnswer {
  readonly message: IncomingMessage;
  /** To be called with every piece that comes. */
  readonly heard: () => void;
}

/** Rejects when there is no answer: no connection, none in time, or the agent hung up. */
export async function sendUpstream(request: OutgoingRequest, sending: Sending): Promise<UpstreamAnswer> {
  const silence = watchSilence(sending.onSilence);
  try {
    const message = await sendOnce(request, sending, silence, false).catch((error: unknown) => {
      if (!(error instanceof DroppedConnection) || sending.signal.aborted) throw error;
      return sendOnce(request, sending, silence, true);
    });
    message.once('close', silence.end);
    return { message, heard: silence.heard };
  } catch (error) {
    silence.end();
    throw error;
  }
}

/** A kept connection, closed or dead before the server can have answered. */
class DroppedConnection extends Error {}

type Silence = ReturnType<typeof watchSilence>;

function sendOnce(
  { method, url, headers, body }: OutgoingRequest,
  { connections, signal }: Sending,
  silence: Silence,
  isFresh: boolean,
): Promise<IncomingMessage> {
  const secure = url.protocol === 'https:';
  const agents = isFresh ? connections.fresh : connections.kept;
  return new Promise((resolve, reject) => {
    const onward = (secure ? httpsRequest : httpRequest)(url, {
      method,
      headers: { ...headers, ...(body.length > 0 ? { 'content-length': String(body.length) } : {}) },
      agent: secure ? agents.https : agents.http,
      signal,
    });
    let isDead = false;
    const dead = setTimeout(() => {
      if (!onward.reusedSocket) return;
      isDead = true;
      onward.destroy();
    }, DEAD_AFTER_MS);
    silence.onGiveUp((error) => onward.destroy(error));
    onward.on('socket', (socket) => {
      if (!socket.connecting) return;
      const connecting = setTimeout(() => onward.destroy(new Error('No connection.')), CONNECT_MS);
      const connected = () => clearTimeout(connecting);
      socket.once('connect', connected).once('close', connected);
    });
    onward.on('response', (answer) => {
      clearTimeout(dead);
      resolve(answer);
    });
    onward.on('error', (error) => {
      clearTimeout(dead);
      // A kept connection may have been closed just now, before the server saw anything.
      reject(isDead || onward.reusedSocket ? new DroppedConnection('The connection was dropped.') : error);
    });
    onward.on('close', () => {
      clearTimeout(dead);
      reject(isDead ? new DroppedConnection('The connection was dead.') : new Error('No answer.'));
    });
    onward.end(body);
  });
}

/** Says when nothing has come for a while, and gives up when nothing comes at all. */
function watchSilence(onSilence: Sending['onSilence']) {
  let silent = false;
  let giveUp: (error: Error) => void = () => {};
  const tell = (now: boolean): void => {
    if (silent !== now) onSilence?.(now);
    silent = now;
  };
  const says = setTimeout(() => tell(true), SILENT_AFTER_MS);
  const ends = setTimeout(() => giveUp(new Error('No answer.')), GIVE_UP_MS);
  return {
    onGiveUp(action: (error: Error) => void) {
      giveUp = action;
    },
    heard() {
      tell(false);
      says.refresh();
      ends.refresh();
    },
    end() {
      clearTimeout(says);
      clearTimeout(ends);
    },
  };
}
