// The program interface over ports: the same on one machine and in front of AWS.
import { randomUUID } from 'node:crypto';
import { type AppOptions, createApp } from '../api/app.ts';
import { conversationOfChat, sharedKey } from '../api/chat-name.ts';
import { type ApiDeps, OWN, type Owner } from '../api/deps.ts';
import { problemResponse } from '../api/problems.ts';
import { askToStop } from '../api/turns.ts';
import { filePath } from '../api/views.ts';
import { watchTurn } from '../api/watch-turn.ts';
import { acceptAndQueue } from '../core/accept.ts';
import type { StoredFile } from '../core/attachments.ts';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { eraseChat } from '../core/erase-chat.ts';
import { Gone, Invalid, Refused } from '../core/errors.ts';
import { sessionKeyOf, type TurnId, tenantId } from '../core/ids.ts';
import { type TurnRequest, turnRequest } from '../core/messages.ts';
import { once } from '../core/once.ts';
import { isPersonId } from '../core/principal.ts';
import { chatOf, isCommitted, type Reply, type TurnRecord } from '../core/records.ts';
import { forTenant } from '../core/tenant-bound.ts';
import { tenantNameSchema } from '../core/tenants.ts';
import { openapiDocument } from '../package-root.ts';
import { createSentTurn } from './sent-turn.ts';
import type {
  Answer,
  AnswerEvent,
  AnswerFile,
  Caller,
  SendOptions,
  SentTurn,
  System,
  Turn,
} from './system.ts';

export interface CreateSystemOptions
  extends ApiDeps,
    Pick<AppOptions, 'apiKeys' | 'ownerOf' | 'origins' | 'knownHosts' | 'page' | 'waiting'> {
  /** The widget's script, for whom `fetchAs` serves. */
  readonly widget?: AppOptions['page'];
  /** Aborts when the system ends: waiting ends with it. */
  readonly ending: AbortSignal;
}

/** So many turns of a chat are looked at to stop them. */
const MAX_STOPPED = 200;
const KEY = /^[\x21-\x7e]{1,255}$/;

/** Closing belongs to whoever opened the ports. */
export interface SystemOverPorts extends Omit<System, 'close'> {
  /** Once `ending` has aborted: resolves when no request works with the ports any more. */
  idle(): Promise<void>;
}

export function createSystem(given: CreateSystemOptions): SystemOverPorts {
  const options = { ...given, ...forTenant(given, DEFAULT_TENANT) };
  const { store, clock, ending } = options;
  const app = createApp({ ...given, openapi: openapiDocument() });
  const answering = new Set<Promise<Response>>();
  const vouched = once(async () =>
    createApp({
      ...given,
      vouched: true,
      knownHosts: null,
      page: given.widget ?? null,
      openapi: openapiDocument(),
    }),
  );

  async function answered(work: () => Response | Promise<Response>): Promise<Response> {
    if (ending.aborted)
      return problemResponse({ status: 503, code: closed().code, detail: closed().message });
    const answer = Promise.resolve(work());
    answering.add(answer);
    try {
      return await answer;
    } finally {
      answering.delete(answer);
    }
  }

  function send(
    chat: string,
    message: Pick<TurnRequest, 'kind' | 'text'>,
    { idempotencyKey = randomUUID(), signal }: SendOptions,
  ): SentTurn {
    const request = requestFor(chat, message, idempotencyKey);
    const begun = ending.aborted ? Promise.reject(closed()) : acceptAndQueue(options, request);
    const ended = signal ? AbortSignal.any([signal, ending]) : ending;
    async function* watch(): AsyncGenerator<AnswerEvent, void, undefined> {
      const turn = await begun;
      for await (const { event } of watchTurn(options, turn, 0, ended)) {
        if (event === null) continue;
        if (event.type !== 'final') yield event;
        else if (event.reply !== null) {
          const answer = answerOf({ ...event, turnId: turn.turnId }, event.reply);
          return yield { type: 'final', answer };
        }
      }
      signal?.throwIfAborted();
      if (ending.aborted) throw closed();
      throw new Gone('unknown-turn', 'This chat was erased while the turn waited.');
    }
    return createSentTurn({ turnId: request.turnId, begun, watch });
  }

  function requestFor(chat: string, message: Pick<TurnRequest, 'kind' | 'text'>, dedupeId: string) {
    if (!KEY.test(dedupeId)) {
      throw new Invalid('bad-idempotency-key', 'An idempotency key is 1 to 255 visible ASCII characters.');
    }
    const conversation = conversationOfChat(chat, OWN);
    return turnRequest({ ...message, conversation, dedupeId, receivedAtMs: clock.now() });
  }

  return {
    send(chat, text, sendOptions = {}) {
      if (text.trim() === '') throw new Invalid('blank-text', 'A message must not be blank.');
      return send(chat, { kind: 'message', text }, sendOptions);
    },
    startOver: (chat, sendOptions = {}) => send(chat, { kind: 'new', text: '' }, sendOptions),
    async stop(what) {
      if (typeof what === 'object') return (await askToStop(options, what.turnId as TurnId)).asked ? 1 : 0;
      const conversation = conversationOfChat(what, OWN);
      const { items } = await store.listTurns(await sharedKey(store, conversation), { limit: MAX_STOPPED });
      const isHere = (turn: TurnRecord) => chatOf(turn) === sessionKeyOf(conversation);
      const unfinished = items.filter((turn) => !isCommitted(turn) && turn.kind !== 'new' && isHere(turn));
      const asked = await Promise.all(unfinished.map(({ turnId }) => askToStop(options, turnId)));
      return asked.filter((one) => one.asked).length;
    },
    async history(chat, historyOptions = {}) {
      const key = await sharedKey(store, conversationOfChat(chat, OWN));
      const { items, cursor } = await store.listTurns(key, historyOptions);
      return { turns: items.map(turnOf), cursor };
    },
    async erase(chat) {
      const key = sessionKeyOf(conversationOfChat(chat, OWN));
      const [mapping, { items }] = await Promise.all([
        store.getMapping(key),
        store.listTurns(key, { limit: 1 }),
      ]);
      await eraseChat(options, key);
      return mapping !== null || items.length > 0;
    },
    fetch: (request) => answered(() => app.fetch(request)),
    fetchAs(person) {
      const owner = ownerFrom(person);
      return (request) => answered(async () => (await vouched()).fetch(request, { owner }));
    },
    idle: async () => void (await Promise.allSettled(answering)),
  };
}

function ownerFrom({ user, name, tenant = DEFAULT_TENANT }: Caller): Owner {
  const known = tenantNameSchema.safeParse(tenant);
  if (!known.success) throw new Invalid('bad-user', 'The tenant is not a name of one.');
  if (!isPersonId(user)) throw new Invalid('bad-user', "A user's id is 1 to 128 bytes of text, not blank.");
  return { name: tenant, tenant: tenantId(tenant), user: { id: user, name: name ?? null } };
}

type Ended = Pick<TurnRecord, 'turnId' | 'sessionId' | 'generation'>;

function answerOf({ turnId, sessionId, generation }: Ended, reply: Reply): Answer {
  const { text, outcome, code, demo, usage, files } = reply;
  return {
    text,
    outcome,
    ...(code !== undefined && { code }),
    ...(demo !== undefined && { demo }),
    ...(usage !== undefined && { usage }),
    ...(files && { files: files.map(fileOf) }),
    turnId,
    sessionId,
    generation,
  };
}

function fileOf({ name, mediaType, bytes, caption, object }: StoredFile): AnswerFile {
  return { name, mediaType, bytes, ...(caption !== undefined && { caption }), url: filePath(object) };
}

function turnOf(turn: TurnRecord): Turn {
  const { turnId, kind, text, status, stopRequested, receivedAtMs, reply } = turn;
  const answer = reply && answerOf(turn, reply);
  return { turnId, kind, text, status, stopRequested, receivedAt: new Date(receivedAtMs), answer };
}

function closed(): Refused {
  return new Refused('system-closed', 'This system was closed.', {
    advice:
      'A message that was accepted is answered after the next start; send it again with its key to get the answer.',
  });
}
