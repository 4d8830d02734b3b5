// What the people of a chat were asked, have allowed and have chosen: one small record in the session's head, written only by a turn's
// commit. So a question appears together with the reply that asks it, and an answer together with what it led to (ATOMIC);
// it is erased, moved and kept with the session. Nothing waits while a question is open but this record.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Asked } from './asked-call.ts';
import { Corrupt } from './errors.ts';
import type { TurnId } from './ids.ts';
import type { Json, TurnRequest } from './messages.ts';
import { isListed, isSamePrincipal, type Principal, principalSchema, speakerOf } from './principal.ts';
import { type Question, questionSchema } from './question.ts';
import type { SessionHead } from './records.ts';
import { whileRunningModeSchema } from './while-running.ts';

const openSchema = z.object({
  turnId: z.string().transform((id) => id as TurnId),
  /** Of the session when it was asked: another one has gone on without the answer. */
  generation: z.number().int(),
  speaker: principalSchema,
  approvers: z.array(z.string()).nullable(),
  askedAtMs: z.number(),
  expiresAtMs: z.number().nullable(),
  calls: z.array(
    z.object({
      id: z.string(),
      tool: z.string(),
      title: z.string(),
      hash: z.string(),
      waits: z.enum(['held', 'again']),
      covers: z.enum(['call', 'tool']),
    }),
  ),
  questions: z.array(questionSchema),
});
export type OpenQuestions = z.infer<typeof openSchema>;

const grantSchema = z.object({
  id: z.string(),
  tool: z.string(),
  /** null: every call of the tool. */
  hash: z.string().nullable(),
  title: z.string(),
  by: principalSchema,
  name: z.string().nullable(),
  atMs: z.number(),
});
export type Grant = z.infer<typeof grantSchema>;

/** What the people of the chat have chosen for it; left out: as the installation has it. */
const chosenSchema = z.object({
  whileRunning: whileRunningModeSchema.optional(),
  model: z.string().max(200).optional(),
});
export type Chosen = z.infer<typeof chosenSchema>;

export const MAX_REACTIONS = 20;

/** To an answer of the bot, not shown to the agent yet (reactions.ts). */
const reactionSchema = z.object({
  /** Of the message, on its platform. */
  ref: z.string(),
  by: z.string().nullable(),
  name: z.string().nullable(),
  reactions: z.array(z.string()),
  /** How the answer begins. */
  to: z.string(),
});

const consentSchema = z.object({
  version: z.literal(1),
  open: openSchema.nullable(),
  /** Those that were open last, with what was decided: for whoever comes late. */
  closed: z.array(questionSchema),
  granted: z.array(grantSchema),
  chosen: chosenSchema.optional(),
  reactions: z.array(reactionSchema).optional(),
});
export type Consent = z.infer<typeof consentSchema>;

export const NO_CONSENT: Consent = { version: 1, open: null, closed: [], granted: [] };

/** Corrupt when it cannot be read: nobody may take that for "nothing was asked". */
export function consentOf({ consent, sessionId }: Pick<SessionHead, 'consent' | 'sessionId'>): Consent {
  if (consent === null || consent === undefined) return NO_CONSENT;
  const parsed = consentSchema.safeParse(consent);
  if (parsed.success) return parsed.data;
  throw new Corrupt('consent-unreadable', 'What was asked and allowed in this session cannot be read.', {
    cause: parsed.error,
    data: { sessionId },
  });
}

/** For going on without what cannot be read: then nothing is allowed. */
export function readableConsent(head: Pick<SessionHead, 'consent' | 'sessionId'>): Consent {
  try {
    return consentOf(head);
  } catch {
    return NO_CONSENT;
  }
}

/** Of the chat: a new session and an earlier one go on with it. */
export function chosenIn(head: Pick<SessionHead, 'consent' | 'sessionId'>): Chosen {
  return readableConsent(head).chosen ?? {};
}

/** The record with another choice; undefined: none any more. */
export function withChosen(
  head: Pick<SessionHead, 'consent' | 'sessionId'>,
  choice: { readonly [K in keyof Chosen]: Chosen[K] | undefined },
): Consent {
  const consent = readableConsent(head);
  const chosen = chosenSchema.parse({ ...consent.chosen, ...choice });
  return { ...consent, chosen };
}

export function asJson(consent: Consent): Json {
  return consent as unknown as Json;
}

/** The record of what a turn has just asked. */
export function openQuestions(
  asked: Asked,
  request: TurnRequest,
  generation: number,
  nowMs: number,
): OpenQuestions {
  const { calls, approvers, expiresAfterSec } = asked;
  return {
    turnId: request.turnId,
    generation,
    speaker: speakerOf(request),
    approvers,
    askedAtMs: nowMs,
    expiresAtMs: expiresAfterSec === null ? null : nowMs + expiresAfterSec * 1_000,
    calls: calls.map(({ id, tool, title, hash, waits, covers }) => ({
      ...{ id, tool, title, hash, waits, covers },
    })),
    questions: calls.flatMap((call) => {
      const { id, title, detail, format, covers, choices } = call;
      return (choices ?? [null]).map((choice, at) => ({
        id: questionId(request.turnId, id, at),
        call: id,
        ...{ title, detail, format, covers, choice },
        answer: null,
        reasonFrom: null,
      }));
    }),
  };
}

function questionId(turnId: TurnId, call: string, at: number): string {
  const digest = createHash('sha256').update(`${turnId}\n${call}\n${at}`).digest('hex');
  return `q${digest.slice(0, 16)}`;
}

/**
 * Fails closed: who is not named may not decide, and without names only the person whose message led to the question may.
 * What the agent wants to know that person may always tell.
 */
export function mayDecide(
  { approvers, speaker }: OpenQuestions,
  { choice }: Pick<Question, 'choice'>,
  who: Principal,
): boolean {
  if (approvers === null || choice !== null) {
    if (isSamePrincipal(speaker, who)) return true;
  }
  return approvers !== null && isListed(approvers, who);
}

export function isExpired({ expiresAtMs }: OpenQuestions, nowMs: number): boolean {
  return expiresAtMs !== null && nowMs >= expiresAtMs;
}

/** Those that wait for an answer now, over the session as it is. */
export function waitingQuestions(head: SessionHead, nowMs: number): OpenQuestions | null {
  const { open } = consentOf(head);
  return open && open.generation === head.generation && !isExpired(open, nowMs) ? open : null;
}
