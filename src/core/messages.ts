// What crosses the queue: versioned plain JSON, checked when it is read back. Ingress and worker share nothing
// else; they may run different builds on different machines.
import { z } from 'zod';
import { type AnswerInput, answerInputSchema } from './answer.ts';
import { type Attachment, attachmentsSchema } from './attachments.ts';
import { Invalid } from './errors.ts';
import {
  type Conversation,
  conversationOf,
  type SessionKey,
  sessionKeyOf,
  type TurnId,
  tenantOf,
  turnIdOf,
} from './ids.ts';
import { type MessageContext, messageContextSchema } from './message-context.ts';
import { MAX_TEXT_LENGTH } from './text-length.ts';

export { MAX_TEXT_LENGTH } from './text-length.ts';

/** Longest time that a turn waits for the next part of a paste. */
export const MAX_GATHER_MS = 60_000;

const conversationSchema = z.strictObject({
  tenant: z.string(),
  channel: z.string(),
  bot: z.string(),
  chat: z.string(),
  thread: z.string().nullable(),
});

const TURN_KINDS = [
  'message',
  'steer',
  'answer',
  'new',
  'undo',
  'redo',
  'fork',
  'command',
  'move',
  'await-move',
  'wake',
  'due',
] as const;

const turnRequestSchema = z.object({
  version: z.literal(1),
  turnId: z.string().transform((id) => id as TurnId),
  sessionKey: z.string().transform((key) => key as SessionKey),
  /** The message's own id on its platform (with the bot it came to); the same for every redelivery. */
  dedupeId: z.string().min(1).max(512),
  conversation: conversationSchema,
  /**
   * `message`: the person wrote. `steer`: to the turn that runs, if one does (steering.ts). `answer`: to a question, see
   * answer.ts. `new`: start a fresh session. `undo`, `redo`, `fork`: see timeline-turn.ts. `command`: see command-turn.ts.
   * `move`, `await-move`: see move-conversation.ts. `wake`: a schedule is due, see scheduling.ts.
   * `due`: a timer rang, see due-schedule.ts.
   */
  kind: z.enum(TURN_KINDS),
  /** 0 when it arrived; +1 each time the system itself queues the rest of a turn that met its deadline. */
  part: z.number().int().nonnegative(),
  /** Well-formed Unicode: half a surrogate pair survives no store, and becomes U+FFFD here. */
  text: z
    .string()
    .max(MAX_TEXT_LENGTH)
    .transform((text) => text.toWellFormed()),
  /** Who wrote, as the channel names them; null for the API. */
  sender: z.strictObject({ id: z.string(), name: z.string().nullable() }).nullable(),
  /** Channel-specific plain JSON: all that is needed to answer from another machine, minutes later. */
  replyTarget: z.json(),
  /** When it arrived, epoch milliseconds of the ingress clock. For people and metrics only; order never uses it. */
  receivedAtMs: z.number(),
  /** The session this conversation pointed at when the message arrived: lets a worker lease it in one round trip. */
  sessionHint: z.string().nullable(),
  /** What people see around the text. Left out by older senders, passed over by older readers. */
  context: messageContextSchema.optional(),
  /** Messages that follow within this time are parts of the same paste (see gather-paste.ts). */
  gatherMs: z.number().int().positive().max(MAX_GATHER_MS).optional(),
  /** Files that came with it. Absent where there are none. */
  attachments: attachmentsSchema.optional(),
  /** The message's own id in its chat, where its writer can change it (see edited-message.ts). */
  messageRef: z.string().min(1).max(64).regex(/^\S+$/).optional(),
  /** With the kind `answer`. */
  answer: answerInputSchema.optional(),
  /** `conversation` shares the session of another one: the key is of that one, the answer goes to this one (links.ts). */
  linked: z.literal(true).optional(),
});

export type TurnRequest = z.infer<typeof turnRequestSchema>;
export type Json = z.infer<ReturnType<typeof z.json>>;

export interface TurnRequestInput {
  readonly conversation: Conversation;
  readonly dedupeId: string;
  readonly kind?: TurnRequest['kind'];
  readonly text: string;
  readonly sender?: TurnRequest['sender'];
  readonly replyTarget?: Json;
  readonly receivedAtMs: number;
  readonly sessionHint?: string | null;
  readonly context?: MessageContext;
  readonly gatherMs?: number;
  readonly attachments?: readonly Attachment[];
  readonly messageRef?: string;
  readonly answer?: AnswerInput;
}

/** Builds a request, with its ids derived from conversation and dedupe id. Throws `Invalid`. */
export function turnRequest(input: TurnRequestInput): TurnRequest {
  const sessionKey = sessionKeyOf(input.conversation);
  return parseTurnRequest({
    version: 1,
    turnId: turnIdOf(sessionKey, input.dedupeId),
    sessionKey,
    dedupeId: input.dedupeId,
    conversation: { ...input.conversation },
    kind: input.kind ?? 'message',
    part: 0,
    text: input.text,
    sender: input.sender ?? null,
    replyTarget: input.replyTarget ?? null,
    receivedAtMs: input.receivedAtMs,
    sessionHint: input.sessionHint ?? null,
    ...(input.context && Object.keys(input.context).length > 0 ? { context: input.context } : {}),
    ...(input.gatherMs ? { gatherMs: input.gatherMs } : {}),
    ...(input.attachments?.length ? { attachments: input.attachments } : {}),
    ...(input.messageRef ? { messageRef: input.messageRef } : {}),
    ...(input.answer ? { answer: input.answer } : {}),
  });
}

/** What a queue deduplicates by: the turn, or the part of it that is to be continued. */
export function queueDedupeId(request: Pick<TurnRequest, 'turnId' | 'part'>): string {
  return request.part === 0 ? request.turnId : `${request.turnId}.${request.part}`;
}

/** Checks a request read from a queue. Throws `Invalid('bad-message')` naming the field. */
export function parseTurnRequest(value: unknown): TurnRequest {
  const parsed = turnRequestSchema.safeParse(value);
  if (parsed.success) return sameConversation(parsed.data);
  const issue = parsed.error.issues[0];
  throw new Invalid('bad-message', `Queue message: ${issue?.path.join('.') || 'value'}: ${issue?.message}`, {
    cause: parsed.error,
  });
}

/** Where it was said, for which the session's own conversation can be another one. */
export function writtenIn({ conversation }: Pick<TurnRequest, 'conversation'>): SessionKey {
  return sessionKeyOf(conversation);
}

/** The same message as one of the conversation whose session is shared; its id stays. */
export function inHome(request: TurnRequest, home: SessionKey): TurnRequest {
  const { linked: _, ...own } = request;
  return home === writtenIn(request)
    ? { ...own, sessionKey: home }
    : { ...own, sessionKey: home, linked: true };
}

/** The key decides where a message goes, the conversation who is answered: of one conversation, or of linked ones. */
function sameConversation(request: TurnRequest): TurnRequest {
  const own = writtenIn(request);
  if (request.sessionKey === own) return request;
  if (request.linked && tenantOf(request.sessionKey) === tenantOf(own) && isKey(request.sessionKey))
    return request;
  throw new Invalid('bad-message', 'Queue message: sessionKey: not the key of its conversation');
}

function isKey(key: SessionKey): boolean {
  try {
    return conversationOf(key) !== null;
  } catch {
    return false;
  }
}
