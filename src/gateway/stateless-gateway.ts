// The gateway where nothing is kept between calls: a handler from a Web `Request` to a `Response` whose body streams, for
// a function with a URL. Tokens are signed and say themselves what they allow; the turn's own figures and budget are in
// the ledger. A token is dead at its expiry, and before that as soon as `isOver` says that its turn is.
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { errorFields } from '../core/log.ts';
import type { SignInNote } from '../tool-servers/sign-in/sign-in-link.ts';
import type { ToolServerCalls } from '../tool-servers/turn-tool-servers.ts';
import { type Answer, type Call, fault } from './call.ts';
import { type GatewayOptions, gatewayParts, MAX_BODY_BYTES } from './model-gateway.ts';
import { toolServerIn } from './tool-server-path.ts';
import { createTurnCalls, type ModelFailure } from './turn-calls.ts';
import type { TurnGrant } from './turn-grant.ts';
import { readTurnToken, shownToken } from './turn-token.ts';

export interface StatelessGatewayOptions extends GatewayOptions {
  /** The newest first; older ones are still taken. */
  readonly secrets: readonly Uint8Array[];
  /** Asked before each call: true when the turn has ended. */
  readonly isOver?: (grant: TurnGrant) => Promise<boolean>;
  /** Where it is written down that the model failed a turn: for the turn's worker, which is elsewhere. */
  readonly troubles?: TroubleLog;
  readonly maxBodyBytes?: number;
  /** The turn's tool servers; null where it has none. */
  readonly toolsOf?: (grant: TurnGrant) => ToolServerCalls | null;
  /** Where links to sign in are kept for the turn's worker. */
  readonly notes?: NoteLog;
}

/** How long a tool server's stream may go on when its turn is over. */
const LOOK_EVERY_MS = 5_000;

/** What the gateway saw of a turn's run, kept for its worker. */
export interface TroubleLog {
  note(grant: TurnGrant, failure: ModelFailure): Promise<void>;
}

export interface NoteLog {
  note(grant: TurnGrant, note: SignInNote): Promise<void>;
}

export interface StatelessGateway {
  handle(request: Request): Promise<Response>;
  /** Resolves when what was counted so far is in the ledger: before the function is frozen. */
  written(): Promise<void>;
}

export function createStatelessGateway(options: StatelessGatewayOptions): StatelessGateway {
  const { secrets, isOver, troubles, maxBodyBytes = MAX_BODY_BYTES } = options;
  const parts = gatewayParts(options);
  const noting = new Set<Promise<void>>();

  function note(grant: TurnGrant, failure: ModelFailure): void {
    if (!troubles) return;
    const noted = troubles
      .note(grant, failure)
      .catch((error: unknown) =>
        parts.log('warn', 'trouble-not-noted', { turn: grant.turnId, ...errorFields(error) }),
      )
      .finally(() => noting.delete(noted));
    noting.add(noted);
  }

  async function answer(request: Request): Promise<Answer> {
    const headers = Object.fromEntries(request.headers);
    const signed = readTurnToken(secrets, shownToken(headers), parts.clock.now());
    if (!signed || (await isOver?.(signed.grant))) {
      return fault(401, 'This token is not valid (any more).');
    }
    const url = new URL(request.url);
    const server = toolServerIn(url);
    const tools = server === null ? null : (options.toolsOf?.(signed.grant) ?? null);
    const route = server === null ? parts.upstream.route(request.method, url) : null;
    if (!route && !tools) return fault(404, 'The gateway does not serve this path.');
    const body = await bodyOf(request, maxBodyBytes);
    if (!body) return fault(413, 'The request is too large.');
    const { grant } = signed;
    const call = { method: request.method, url, headers, body, signal: request.signal };
    if (!route) {
      return await answerWhileTurnLasts(grant, call, async (during) => {
        const answered = await tools!.answer(server!, during);
        const notes = (await tools?.notes()) ?? [];
        await Promise.all(notes.map((note) => options.notes?.note(grant, note)));
        return answered;
      });
    }
    const calls = createTurnCalls(grant, parts, { onTrouble: (failure) => note(grant, failure) });
    const answered = await calls.answer(route, call);
    // The worker looks when the agent has ended: it must be there by then.
    await Promise.all(noting);
    return answered;
  }

  /** Nobody tells a function that its turn has ended: a stream that goes on is ended when the turns' ledger says so. */
  async function answerWhileTurnLasts(
    grant: TurnGrant,
    call: Call,
    work: (call: Call) => Promise<Answer>,
  ): Promise<Answer> {
    const over = new AbortController();
    const watch = setInterval(() => {
      isOver?.(grant).then(
        (ended) => ended && over.abort(),
        () => {},
      );
    }, LOOK_EVERY_MS);
    const stop = (): void => clearInterval(watch);
    try {
      const answer = await work({ ...call, signal: AbortSignal.any([call.signal, over.signal]) });
      if (typeof answer.body === 'string') stop();
      else answer.body.once('close', stop);
      return answer;
    } catch (error) {
      stop();
      throw error;
    }
  }

  return {
    async handle(request) {
      const { status, headers, body } = await answer(request);
      const stream = typeof body === 'string' ? body : (Readable.toWeb(body) as ReadableStream<Uint8Array>);
      return new Response(stream, { status, headers });
    },
    async written() {
      await parts.book.written();
      await Promise.all(noting);
    },
  };
}

async function bodyOf(request: Request, maxBytes: number): Promise<Buffer | null> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of (request.body ?? []) as NodeStream<Uint8Array>) {
    bytes += piece.length;
    if (bytes > maxBytes) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
