// What the channel contract shares: calls that go through an inlet, the ledger line of one turn, and the way in which the
// core repeats a delivery.
import type { WebhookHandler } from '../../src/channels/descriptor.ts';
import { Ambiguous, Conflict, Refused } from '../../src/core/errors.ts';
import { type SessionId, tenantOf } from '../../src/core/ids.ts';
import type { Json, TurnRequest } from '../../src/core/messages.ts';
import type { SendContext } from '../../src/core/ports.ts';
import type { Reply } from '../../src/core/records.ts';
import type { ChannelFixture, Post } from './channel-fixture.ts';

export function requestOf({ url, method = 'POST', headers, body }: Post): Request {
  return new Request(url, { method, headers, ...(method === 'POST' && { body }) });
}

export interface Heard {
  readonly statuses: readonly number[];
  readonly turns: readonly TurnRequest[];
}

/** What the inlet answers to these calls, one after the other, and the turns they become. */
export async function hear(fixture: ChannelFixture, ...posts: readonly Post[]): Promise<Heard> {
  const turns: TurnRequest[] = [];
  const handler = await fixture.open(async (request) => void turns.push(request));
  return { statuses: await statusesOf(handler, posts), turns };
}

export async function statusesOf(
  handler: WebhookHandler,
  posts: readonly Post[],
): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (const post of posts) statuses.push((await handler(requestOf(post))).status);
  return statuses;
}

/** The allowed person writes; the turn of it. */
export async function turnOf(fixture: ChannelFixture, text: string): Promise<TurnRequest> {
  const { turns } = await hear(fixture, fixture.written(text));
  const [turn] = turns;
  if (turns.length !== 1 || turn === undefined)
    throw new Error(`One turn was expected, not ${turns.length}.`);
  return turn;
}

/** The ledger line of one turn: what a worker may still remember, and what any worker finds. */
export interface Ledger {
  readonly anchor: Json | null;
  /** The context of one worker's attempt; `lose` makes its lease the older one. */
  attempt(): SendContext & { lose(): void };
}

/** `more` of the context, such as the way to files. */
export function ledgerOf(request: TurnRequest, more: Pick<SendContext, 'readFile'> = {}): Ledger {
  let anchor: Json | null = null;
  return {
    get anchor() {
      return anchor;
    },
    attempt() {
      let lost = false;
      return {
        ...more,
        request,
        tenant: tenantOf(request.sessionKey),
        sessionId: 'f0e1d2c3-0000-4000-8000-000000000000' as SessionId,
        generation: 1,
        get anchor() {
          return anchor;
        },
        async remember(note) {
          if (lost) throw new Conflict('lease-lost', 'Another worker has the session.');
          anchor = structuredClone(note);
        },
        lose() {
          lost = true;
        },
      };
    },
  };
}

const MAX_TRIES = 12;

/** Delivers as the core does, by another worker at every try, until the reply stands. */
export async function deliverAsCore(fixture: ChannelFixture, line: Ledger, reply: Reply): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fixture.channel.deliver(line.attempt(), reply);
    } catch (error) {
      const known = error instanceof Refused || error instanceof Ambiguous;
      if (!known || attempt >= MAX_TRIES) throw error;
      await fixture.advance(error instanceof Refused ? error.retryAfterMs : 1_000);
    }
  }
}

/** What stands in the chat besides messages that are still empty. */
export function answersIn(fixture: ChannelFixture): readonly string[] {
  return fixture.shown().filter((text) => !fixture.placeholders.includes(text));
}

export const REPLY: Reply = { outcome: 'ok', text: 'The **answer** is 42.' };
