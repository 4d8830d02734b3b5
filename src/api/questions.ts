// Questions of the agent to people, and what is allowed in a chat: listed from the session's record, answered and taken back
// by turns. A token says who decides; whoever holds a key counts as one person.
import type { Context } from 'hono';
import { z } from 'zod';
import type { AnswerInput } from '../core/answer.ts';
import { consentOf, waitingQuestions } from '../core/consent.ts';
import { MAX_TEXT_LENGTH } from '../core/messages.ts';
import { answerText } from '../core/question-words.ts';
import type { SessionHead } from '../core/records.ts';
import { conversationOfChat, sharedKey } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { takeMessage } from './messages.ts';
import { refuse } from './problems.ts';
import { idempotencyKey, jsonBody } from './requests.ts';
import { questionView } from './views.ts';

const QUESTION = /^q[0-9a-f]{16}$/;
const PERMISSION = /^g[0-9a-f]{16}$/;

const answerBody = z
  .strictObject({
    decision: z.enum(['once', 'chat', 'deny', 'reply']),
    text: z
      .string()
      .max(MAX_TEXT_LENGTH, `must be at most ${MAX_TEXT_LENGTH} characters`)
      .refine((text) => text.trim().length > 0, 'must not be blank')
      .refine((text) => text.isWellFormed(), 'must be well-formed Unicode')
      .optional(),
  })
  .refine(({ decision, text }) => decision !== 'reply' || text !== undefined, {
    path: ['text'],
    message: 'is needed with "reply"',
  })
  .refine(({ decision, text }) => decision === 'reply' || decision === 'deny' || text === undefined, {
    path: ['text'],
    message: 'may come with "reply" and "deny" only',
  });

export function questionRoutes(deps: ApiDeps): Route[] {
  const { owner = OWN } = deps;
  async function headOf(context: Context): Promise<SessionHead | null> {
    const key = await sharedKey(deps.store, conversationOfChat(context.req.param('chat'), owner));
    const [mapping, turns] = await Promise.all([
      deps.store.getMapping(key),
      deps.store.listTurns(key, { limit: 1 }),
    ]);
    if (mapping === null && turns.items.length === 0) refuse(404, 'unknown-chat', 'There is no such chat.');
    return mapping && (await deps.store.getHead(owner.tenant, mapping.session_id));
  }

  async function answer(context: Context, input: AnswerInput, text: string): Promise<Response> {
    const conversation = conversationOfChat(context.req.param('chat'), owner);
    const about = 'withdraw' in input ? input.withdraw : input.question;
    const message = { conversation, kind: 'answer', text, answer: input } as const;
    // The same key for another question is another answer.
    return takeMessage(deps, context, message, `${about}:${idempotencyKey(context)}`);
  }

  return [
    {
      method: 'get',
      path: '/v1/chats/{chat}/questions',
      async handle(context) {
        const head = await headOf(context);
        const open = head && waitingQuestions(head, deps.clock.now());
        return context.json({
          turn_id: open?.turnId ?? null,
          asked_at: open ? new Date(open.askedAtMs).toISOString() : null,
          expires_at: open?.expiresAtMs ? new Date(open.expiresAtMs).toISOString() : null,
          questions: (open?.questions ?? []).map(questionView),
        });
      },
    },
    {
      method: 'post',
      path: '/v1/chats/{chat}/questions/{id}',
      async handle(context) {
        const { decision, text } = await jsonBody(context, answerBody);
        const question = context.req.param('id') ?? '';
        if (!QUESTION.test(question)) refuse(404, 'unknown-question', 'There is no such question.');
        const input = { question, decision, ...(text !== undefined && { text }) };
        return answer(context, input, answerText(input));
      },
    },
    {
      method: 'get',
      path: '/v1/chats/{chat}/permissions',
      async handle(context) {
        const head = await headOf(context);
        const granted = head ? consentOf(head).granted : [];
        return context.json({
          permissions: granted.map(({ id, tool, hash, title, name, atMs }) => ({
            ...{ id, tool, title, covers: hash === null ? 'tool' : 'call', allowed_by: name },
            allowed_at: new Date(atMs).toISOString(),
          })),
        });
      },
    },
    {
      method: 'delete',
      path: '/v1/chats/{chat}/permissions/{id}',
      async handle(context) {
        const withdraw = context.req.param('id') ?? '';
        if (!PERMISSION.test(withdraw)) refuse(404, 'unknown-permission', 'There is no such permission.');
        return answer(context, { withdraw }, 'Ask again');
      },
    },
  ];
}
