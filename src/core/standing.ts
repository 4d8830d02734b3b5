// Whether a tenant's messages are answered. One that is switched off keeps what it has, and whoever writes is told so;
// of one that is gone nothing may be stored any more, not even that somebody wrote.
import { Invalid } from './errors.ts';
import type { TurnRequest } from './messages.ts';
import type { Reply } from './records.ts';

export type Standing = 'active' | 'disabled' | 'gone';

/** Asked before a message is taken in and before its turn begins. */
export type StandingOf = (request: Pick<TurnRequest, 'sessionKey'>) => Promise<Standing>;

const TEXTS = {
  disabled:
    'This bot is switched off at the moment, so I did not answer this message. What we said before is kept; ' +
    'please write again when it is back on.',
  gone: 'This bot is not in use any more. Your message was not kept.',
} as const;

export function standingReply(standing: Exclude<Standing, 'active'>): Reply {
  return { outcome: 'failed', code: `tenant-${standing}`, text: TEXTS[standing] };
}

/** Thrown where a message is taken in: nothing of it was kept. `message` is fit for the person. */
export class NotServed extends Invalid {
  constructor(standing: Exclude<Standing, 'active'>) {
    super(`tenant-${standing}`, TEXTS[standing]);
  }
}
