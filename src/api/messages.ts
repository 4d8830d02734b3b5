// Takes messages in. A message that could not be queued is answered with 503; its repeat under the same key is queued
// again as long as its turn is not committed.
import type { Context } from 'hono';
import { z } from 'zod';
import { acceptAndQueue } from '../core/accept.ts';
import { type TurnRequestInput, turnRequest } from '../core/messages.ts';
import { isCommitted } from '../core/records.ts';
import { UNDO_NEW } from '../core/timeline-turn.ts';
import { conversationOfChat, senderOf } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { claimedFiles, messageFiles } from './files.ts';
import { refuse } from './problems.ts';
import {
  emptyBody,
  forkBody,
  idempotencyKey,
  jsonBody,
  linkBody,
  messageText,
  undoBody,
} from './requests.ts';
import { eventStream, settled } from './stream.ts';
import { answerView } from './views.ts';

const messageBody = z
  .strictObject({ text: messageText.optional(), files: messageFiles.optional() })
  .refine(({ text, files }) => files?.length || text?.trim(), {
    path: ['text'],
    message: 'must not be blank',
  });

/** A JSON request waits at most this long for the reply, then answers 202 while the turn goes on. */
const MAX_WAIT_SEC = 600;

export function messageRoutes(deps: ApiDeps): Route[] {
  const { owner = OWN } = deps;
  return [
    {
      method: 'post',
      path: '/v1/chats/{chat}/messages',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        const { text = '', files = [] } = await jsonBody(context, messageBody);
        const key = idempotencyKey(context);
        const attachments = await claimedFiles(deps, conversation, key, files);
        return takeMessage(deps, context, { conversation, text, attachments }, key);
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/new',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        await jsonBody(context, emptyBody, true);
        const message = { conversation, kind: 'new', text: '' } as const;
        return takeMessage(deps, context, message, idempotencyKey(context));
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/undo',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        const { turns, new_session } = await jsonBody(context, undoBody, true);
        const text = new_session ? UNDO_NEW : String(turns ?? 1);
        return takeMessage(deps, context, { conversation, kind: 'undo', text }, idempotencyKey(context));
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/redo',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        await jsonBody(context, emptyBody, true);
        return takeMessage(deps, context, { conversation, kind: 'redo', text: '' }, idempotencyKey(context));
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/fork',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        const { to } = await jsonBody(context, forkBody);
        const text = conversationOfChat(to, owner).chat;
        return takeMessage(deps, context, { conversation, kind: 'fork', text }, idempotencyKey(context));
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/link',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        const { code } = await jsonBody(context, linkBody, true);
        const message = { conversation, kind: 'command', text: `link ${code ?? ''}`.trim() } as const;
        return takeMessage(deps, context, message, idempotencyKey(context));
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/unlink',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        await jsonBody(context, emptyBody, true);
        const message = { conversation, kind: 'command', text: 'unlink' } as const;
        return takeMessage(deps, context, message, idempotencyKey(context));
      },
    },
  ];
}

export async function takeMessage(
  deps: ApiDeps,
  context: Context,
  message: Pick<TurnRequestInput, 'conversation' | 'kind' | 'text' | 'answer' | 'attachments'>,
  dedupeId: string,
): Promise<Response> {
  const wait = preference(context);
  const sender = senderOf(deps.owner ?? OWN);
  const request = turnRequest({ ...message, sender, dedupeId, receivedAtMs: deps.clock.now() });
  const turn = await acceptAndQueue(deps, request);
  const clientGone = context.req.raw.signal;
  if (acceptsEvents(context)) return eventStream(deps, turn, 0, clientGone);
  const last = wait === 0 ? turn : await settled(deps, turn, wait * 1000, clientGone);
  if (last === null) refuse(404, 'unknown-turn', 'This chat was erased while the turn waited.');
  const location = `/v1/turns/${last.turnId}`;
  if (wait === 0 || !isCommitted(last)) {
    return context.json({ turn_id: last.turnId, status: last.status }, 202, { location });
  }
  return context.json(answerView(last), 200, { location });
}

function acceptsEvents(context: Context): boolean {
  return /\btext\/event-stream\b/i.test(context.req.header('accept') ?? '');
}

/** Seconds to wait for the answer, by `Prefer: respond-async` or `Prefer: wait=<seconds>` (RFC 7240). */
function preference(context: Context): number {
  const prefer = context.req.header('prefer') ?? '';
  if (/(^|[,;\s])respond-async([,;\s]|$)/i.test(prefer)) return 0;
  const wait = /(?:^|[,;\s])wait=(\d{1,6})(?:[,;\s]|$)/i.exec(prefer)?.[1];
  return Math.min(wait === undefined ? MAX_WAIT_SEC : Number(wait), MAX_WAIT_SEC);
}
