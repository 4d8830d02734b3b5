// One request of an agent to one of its turn's tool servers. The agent decides the message and nothing else: not where it goes,
// not which path, not with which right. What comes back is passed on as it comes, without what was sent as a secret.
import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable, Transform } from 'node:stream';
import { isHybridError } from '../core/errors.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Vault } from '../core/ports/vault.ts';
import type { Answer, Call } from '../gateway/call.ts';
import { sealEndpoint } from './announced-endpoint.ts';
import { type Credentials, credentialsOf } from './credentials.ts';
import { maskSecrets } from './mask-secrets.ts';
import { NotReachable, type Outgoing } from './outgoing.ts';
import { problem } from './problem.ts';
import type { RemoteServer } from './remote-server.ts';
import { createSeal, type Seal } from './sealed.ts';
import type { SignIns } from './sign-in/sign-ins.ts';
import { judgeCall, type ToolRules } from './tool-rules.ts';
import type { ToolServersOfTurn } from './turn-tool-servers.ts';

export interface ServerCallParts {
  readonly turn: ToolServersOfTurn;
  readonly vault: Vault;
  readonly outgoing: Outgoing;
  readonly secret: Uint8Array;
  readonly listening: boolean;
  readonly signIns: SignIns;
  readonly log: Log;
}

/** What a server may answer to one request, all pieces together. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const SESSION = 'mcp-session-id';
/** Where the address to post to stands in our own path (`sse`). */
const TO = 'to';
/** Of an agent's headers: what the protocol needs. */
const FORWARDED = /^(?:accept|content-type|last-event-id|mcp-protocol-version|mcp-method|mcp-name)$/;
const PASSED_BACK = /^(?:content-type|cache-control|retry-after|mcp-(?!session-id).*)$/;

export function createServerCall(parts: ServerCallParts) {
  const { turn, outgoing, log } = parts;
  const about = { turn: turn.turnId, person: turn.speaker };

  function sealOf({ name }: RemoteServer): Seal {
    return createSeal(parts.secret, [turn.tenant, turn.sessionId, turn.speaker, name]);
  }

  /** `again`: what to do once where the server refuses the credential. */
  async function passOn(
    server: RemoteServer,
    call: Call,
    { headers, secrets }: Credentials,
    again?: () => Promise<Answer>,
  ): Promise<Answer> {
    const seal = sealOf(server);
    const url = addressOf(server, call, seal);
    if (!url) return problem(404, 'The server has announced no such address in this chat.');
    const shown = call.headers[SESSION];
    const session = shown === undefined ? null : seal.open(shown);
    // As a server says it of a session that it has forgotten: the client begins a new one.
    if (shown !== undefined && session === null) return problem(404, 'Session not found', -32_001);
    const kept = Object.entries(call.headers).filter(([name]) => FORWARDED.test(name));
    const message = await outgoing.send({
      method: call.method,
      url,
      headers: {
        ...Object.fromEntries(kept),
        ...headers,
        // What comes compressed could not be looked through.
        'accept-encoding': 'identity',
        'user-agent': 'hybrid-sessions',
        ...(session === null ? {} : { [SESSION]: session }),
      },
      body: call.body.length > 0 || call.method === 'POST' ? call.body : null,
      signal: call.signal,
    });
    if (message.statusCode === 401 && again) {
      message.resume();
      return await again();
    }
    return answerOf(server, url, message, seal, secrets);
  }

  /** With the speaker's own token, renewed where it is over; without one as a server that wants a sign-in. */
  async function asSpeaker(server: RemoteServer, call: Call, given: Credentials): Promise<Answer> {
    const { signIns } = parts;
    const withToken = (token: string): Credentials => ({
      headers: { ...given.headers, authorization: `Bearer ${token}` },
      secrets: [...given.secrets, token],
    });
    const token = await signIns.token(server);
    if (token === null) return await signIns.answerWithout(server, call);
    return await passOn(server, call, withToken(token), async () => {
      const fresh = await signIns.token(server, token);
      return fresh === null
        ? await signIns.answerWithout(server, call)
        : await passOn(server, call, withToken(fresh));
    });
  }

  function answerOf(
    server: RemoteServer,
    url: URL,
    message: IncomingMessage,
    seal: Seal,
    secrets: readonly string[],
  ): Answer {
    const status = message.statusCode ?? 502;
    const refused = (level: 'warn' | 'error', event: string, text: string, more: object = {}): Answer => {
      message.destroy();
      log(level, event, { ...about, server: server.name, status, ...more });
      return problem(502, text);
    };
    if (status >= 300 && status < 400 && status !== 304) {
      const to = URL.canParse(message.headers.location ?? '', url.href)
        ? new URL(message.headers.location ?? '', url.href)
        : null;
      // The query may hold what is nobody's business.
      const place = to ? { to: `${to.origin}${to.pathname}` } : {};
      return refused('warn', 'tool-server-redirects', 'The server redirects, which is not followed.', place);
    }
    if ((message.headers['content-encoding'] ?? 'identity') !== 'identity') {
      return refused('warn', 'tool-server-compresses', 'The server sent what cannot be passed on.');
    }
    if (status === 401) {
      // The agent's program would take a 401 for its own to solve, and ask its person for a key.
      return { ...refused('warn', 'tool-server-refuses-credential', REFUSED), status: 403 };
    }
    const session = message.headers[SESSION];
    const masked = maskSecrets(secrets);
    const isStream =
      server.type === 'sse' && /^text\/event-stream\b/i.test(message.headers['content-type'] ?? '');
    const steps = isStream
      ? [masked, sealEndpoint(url, (path) => `?${TO}=${encodeURIComponent(seal.close(path))}`), bounded()]
      : [masked, bounded()];
    const body = steps.at(-1) as Readable;
    pipeline([message, ...steps], () => {});
    return {
      status,
      headers: {
        ...passedBack(message, secrets),
        ...(typeof session === 'string' ? { [SESSION]: seal.close(session) } : {}),
      },
      body,
    };
  }

  return async (server: RemoteServer | null, given: Call): Promise<Answer> => {
    if (!server) return problem(404, 'This turn has no such tool server.');
    const methods =
      server.type === 'sse' ? ['POST', 'GET'] : ['POST', 'DELETE', ...(parts.listening ? ['GET'] : [])];
    if (!methods.includes(given.method)) return problem(405, 'This method is not served.');
    const judged = judgeCall(server.name, given, rulesOf(turn));
    if ('refusal' in judged) {
      log('warn', 'tool-call-refused', { ...about, server: server.name, refusal: judged.refusal });
      return problem(judged.status, judged.refusal);
    }
    const { call } = judged;
    try {
      const credentials = await credentialsOf(server, parts);
      if ('missing' in credentials) {
        log('warn', 'credential-missing', { ...about, server: server.name, credential: credentials.missing });
        return problem(
          403,
          `The credential "${credentials.missing}" is not stored. The operator can store it.`,
        );
      }
      return server.oauth
        ? await asSpeaker(server, call, credentials)
        : await passOn(server, call, credentials);
    } catch (error) {
      if (call.signal.aborted) throw error;
      if (!(error instanceof NotReachable) && !isHybridError(error)) throw error;
      log('warn', 'tool-server-not-reached', { ...about, server: server.name, ...errorFields(error) });
      return problem(502, 'The server cannot be reached.');
    }
  };
}

const REFUSED = 'The server does not accept the credential that is stored for it.';

function rulesOf({ tools, narrowing }: ToolServersOfTurn): ToolRules {
  const allow = [tools, ...(narrowing?.allow ? [narrowing.allow] : [])];
  return { allow, deny: narrowing?.deny ?? [] };
}

/** The URL as the owner wrote it; for the older transport also what the server announced to this speaker in this chat. */
function addressOf(server: RemoteServer, { method, url }: Call, seal: Seal): URL | null {
  const own = new URL(server.url);
  if (server.type === 'http' || method === 'GET') return own;
  const path = seal.open(url.searchParams.get(TO) ?? '');
  if (path === null) return null;
  const announced = new URL(path, own);
  return announced.origin === own.origin ? announced : null;
}

function passedBack({ headers }: IncomingMessage, secrets: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      typeof value === 'string' && PASSED_BACK.test(name) && !secrets.some((secret) => value.includes(secret))
        ? [[name, value]]
        : [],
    ),
  );
}

function bounded(): Transform {
  let bytes = 0;
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      if (bytes > MAX_ANSWER_BYTES) done(new Error('The answer is too large.'));
      else done(null, piece);
    },
  });
}
