// What Tencent's callbacks have in common once they are known to be Tencent's: a body within limits, its cipher, who is
// turned away, and the turn that is queued before the call is acknowledged (ACKED). How a call is signed and what an answer
// looks like is the channel's business.
import { readBody } from '../../bounded-body.ts';
import { Invalid } from '../../core/errors.ts';
import { OverLimit } from '../../core/limits.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { TurnRequest } from '../../core/messages.ts';
import { NotServed } from '../../core/standing.ts';
import { type CallbackKeys, decryptCallback } from './encrypted-callback.ts';

export interface CallbackInletOptions {
  /** The channel's; log lines begin with it. */
  readonly name: string;
  /** The account or bot, for the log. */
  readonly bot: string;
  readonly allowedUsers: { readonly length: number };
  readonly maxBodyBytes: number;
  readonly accept: (request: TurnRequest) => Promise<void>;
  readonly log: Log;
}

export interface CallbackInlet {
  /** The body as text; or the response that refuses it. */
  read(request: Request): Promise<string | Response>;
  /** null for what is no message, or one for somebody else. */
  decrypt(keys: CallbackKeys, encrypted: string): string | null;
  /** Notes why a message becomes nothing; a person who may not write here is named once. */
  turnAway(reason: string, sender: string | null): void;
  /** Queues the turn. What is to be said at once, if anything. */
  take(request: TurnRequest): Promise<string | null>;
  /** 503 where it fails: the platform calls again. */
  answer(answering: () => Promise<Response>): Promise<Response>;
}

const MAX_BODY_MS = 4_000;
const CANNOT_ACCEPT = 'I cannot take this message. Please write it differently. 无法处理这条消息。';
const NEVER_ACCEPTED = new Set(['bad-message', 'idempotency-mismatch']);
/** Strangers remembered at most. */
const MEMORY = 500;

export function createCallbackInlet(options: CallbackInletOptions): CallbackInlet {
  const { name, bot, maxBodyBytes, log } = options;
  const strangers = new Set<string>();
  if (options.allowedUsers.length === 0) log('warn', `${name}-nobody-allowed`, { bot });

  return {
    async read(request) {
      const body = await readBody(request, { maxBytes: maxBodyBytes, maxMs: MAX_BODY_MS });
      if (body === 'too-large') return status(413);
      if (body === 'too-slow') return status(408);
      return new TextDecoder().decode(body);
    },

    decrypt(keys, encrypted) {
      try {
        return decryptCallback(keys, encrypted);
      } catch (error) {
        if (!(error instanceof Invalid)) throw error;
        log('warn', `${name}-not-decrypted`, errorFields(error));
        return null;
      }
    },

    turnAway(reason, sender) {
      if (reason !== 'not-allowed') log('debug', `${name}-ignored`, { reason });
      else if (sender !== null && !strangers.has(sender) && strangers.size < MEMORY) {
        strangers.add(sender);
        log('warn', `${name}-sender-not-allowed`, { bot, sender });
      }
    },

    async take(request) {
      try {
        await options.accept(request);
        return null;
      } catch (error) {
        if (error instanceof NotServed) return error.message;
        if (error instanceof OverLimit) {
          if (error.tell) log('warn', 'over-limit', { turn: request.turnId, ...errorFields(error) });
          return error.tell ? error.message : null;
        }
        if (!(error instanceof Invalid && NEVER_ACCEPTED.has(error.code))) throw error;
        log('error', `${name}-message-refused`, { turn: request.turnId, ...errorFields(error) });
        return CANNOT_ACCEPT;
      }
    },

    async answer(answering) {
      try {
        return await answering();
      } catch (error) {
        log('error', `${name}-webhook-failed`, errorFields(error));
        return new Response(null, { status: 503, headers: { 'retry-after': '1' } });
      }
    },
  };
}

export function status(code: number): Response {
  return new Response(null, { status: code });
}

export function plain(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/plain; charset=utf-8' } });
}
