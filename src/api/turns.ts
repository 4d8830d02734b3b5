// The routes of one turn: get it, stream its events, stop it.

import type { Context } from 'hono';
import { Gone } from '../core/errors.ts';
import type { TurnId } from '../core/ids.ts';
import { isCommitted, type TurnRecord } from '../core/records.ts';
import { findTurn } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { refuse } from './problems.ts';
import { emptyBody, jsonBody, turnIdFrom } from './requests.ts';
import { eventStream } from './stream.ts';
import { timelineView } from './timeline-view.ts';
import { turnView } from './views.ts';

export function turnRoutes(deps: ApiDeps): Route[] {
  async function turnOf(context: Context): Promise<TurnRecord> {
    const turn = await findTurn(deps.store, turnIdFrom(context.req.param('id')), deps.owner ?? OWN);
    return turn ?? refuse(404, 'unknown-turn', 'There is no such turn.');
  }

  return [
    {
      method: 'get',
      path: '/v1/turns/{id}',
      handle: async (context) => context.json(turnView(await turnOf(context))),
    },
    {
      method: 'get',
      path: '/v1/turns/{id}/timeline',
      async handle(context) {
        const turn = await turnOf(context);
        if (turn.timeline === null) {
          return refuse(
            404,
            'no-timeline',
            'This turn has no timeline: it is written when the reply is out.',
          );
        }
        return context.json(timelineView(turn, turn.timeline));
      },
    },
    {
      method: 'get',
      path: '/v1/turns/{id}/events',
      async handle(context) {
        const turn = await turnOf(context);
        const after = lastEventId(context);
        // A browser's EventSource reconnects after every stream ends; a 204 tells it to stop.
        if (after > 0 && (await isFinal(turn, after))) return context.body(null, 204);
        return eventStream(deps, turn, after, context.req.raw.signal);
      },
    },
    {
      method: 'post',
      path: '/v1/turns/{id}/stop',
      async handle(context) {
        await jsonBody(context, emptyBody, true);
        const { turn } = await askToStop(deps, turnIdFrom(context.req.param('id')));
        return context.json(turnView(turn), 202);
      },
    },
  ];

  async function isFinal(turn: TurnRecord, sequence: number): Promise<boolean> {
    const [logged] = await deps.events.read(turn.tenant, turn.turnId, sequence - 1, { waitMs: 0 });
    return logged?.sequence === sequence && logged.event.type === 'final';
  }
}

/**
 * Requests that a turn stop, and tells its watchers. `asked` is false when the outcome is already fixed. Throws `Gone`
 * when no chat of this API has such a turn.
 */
export async function askToStop(
  deps: Pick<ApiDeps, 'store' | 'events' | 'owner'>,
  turnId: TurnId,
): Promise<{ readonly turn: TurnRecord; readonly asked: boolean }> {
  const { owner = OWN } = deps;
  const before = await findTurn(deps.store, turnId, owner);
  if (before === null) throw new Gone('unknown-turn', 'There is no such turn.');
  const turn = await deps.store.requestStop(owner.tenant, turnId);
  const asked = !isCommitted(turn);
  if (asked && !before.stopRequested) {
    await deps.events.append(owner.tenant, turnId, [{ type: 'status', status: 'stopping' }]);
  }
  return { turn, asked };
}

function lastEventId(context: Context): number {
  const id = context.req.header('last-event-id') ?? '0';
  if (!/^\d{1,15}$/.test(id))
    refuse(400, 'bad-event-id', 'Last-Event-ID must be the id of an event seen before.');
  return Number(id);
}
