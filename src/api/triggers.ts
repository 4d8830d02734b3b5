// Events of other programs begin turns: `POST /v1/triggers/{name}`, by what the agent folder says. The signature is the caller's right
// to call; a key is neither asked for nor taken. The same event is one turn, however often it is sent.
import type { Context } from 'hono';
import { readBody } from '../bounded-body.ts';
import { acceptAndQueue } from '../core/accept.ts';
import { Invalid } from '../core/errors.ts';
import { sessionKeyOf, turnIdOf } from '../core/ids.ts';
import { errorFields } from '../core/log.ts';
import { turnRequest } from '../core/messages.ts';
import { chatOf, shownData } from '../triggers/event-turn.ts';
import { type EventFault, isWanted, readEvent, TOLERANCE_SEC } from '../triggers/signed-event.ts';
import type { Trigger } from '../triggers/trigger-file.ts';
import { conversationOfChat } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { refuse } from './problems.ts';

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_BODY_MS = 20_000;

const FAULTS: Readonly<Record<EventFault, readonly [400 | 401, string]>> = {
  'bad-signature': [401, 'The event is not signed with a secret of this trigger.'],
  stale: [401, `The event was signed more than ${TOLERANCE_SEC / 60} minutes ago, or a clock is wrong.`],
  'no-event': [400, 'The body is no event: a JSON object with an id of its own is.'],
};

export function triggerRoutes(deps: ApiDeps): Route[] {
  const { clock, log } = deps;

  async function secretsOf(trigger: Trigger): Promise<readonly string[]> {
    const found = trigger.secrets.map((reference) =>
      deps.triggers?.secret(reference).catch((error: unknown) => {
        log('error', 'trigger-secret', { trigger: trigger.name, ...errorFields(error) });
        return null;
      }),
    );
    const secrets = (await Promise.all(found)).filter((one) => typeof one === 'string');
    if (secrets.length > 0) return secrets;
    return refuse(503, 'no-secret', 'This trigger has no secret to check with now.', {
      headers: { 'retry-after': '60' },
    });
  }

  async function handle(context: Context): Promise<Response> {
    const name = context.req.param('name') ?? '';
    const trigger = deps.triggers?.list.find((one) => one.name === name);
    if (!trigger) return refuse(404, 'unknown-trigger', 'The agent folder has no such trigger.');
    const body = await readBody(context.req.raw, { maxBytes: MAX_BODY_BYTES, maxMs: MAX_BODY_MS });
    if (body === 'too-large')
      return refuse(413, 'body-too-large', `A body may have at most ${MAX_BODY_BYTES} bytes.`);
    if (body === 'too-slow') return refuse(408, 'body-too-slow', 'The body came too slowly.');
    const { headers } = context.req.raw;
    const nowMs = clock.now();
    const event = await readEvent(trigger.from, { headers, body, secrets: await secretsOf(trigger), nowMs });
    if (typeof event === 'string') {
      const [status, detail] = FAULTS[event];
      return refuse(status, event, detail);
    }
    if (!isWanted(trigger, event.type)) return context.body(null, 204);
    const data = shownData(event);
    if (data === null)
      return refuse(413, 'event-too-large', 'The event is too large to be shown to the agent.');
    const conversation = conversationOfChat(chatOf(trigger, event.data), OWN);
    const dedupeId = `trigger/${name}/${event.id}`;
    const request = turnRequest({
      ...{ conversation, dedupeId, kind: 'wake', text: trigger.text, receivedAtMs: nowMs },
      context: { event: { trigger: name, from: trigger.from, type: event.type, data } },
    });
    const known = { turn_id: turnIdOf(sessionKeyOf(conversation), dedupeId), chat: conversation.chat };
    try {
      const { status } = await acceptAndQueue(deps, request);
      return context.json({ ...known, status }, 202);
    } catch (error) {
      // The trigger's words were changed since the event came first: it is that turn.
      if (!(error instanceof Invalid) || error.code !== 'idempotency-mismatch') throw error;
      return context.json({ ...known, status: 'known' }, 202);
    }
  }

  return [{ method: 'post', path: '/v1/triggers/{name}', open: true, handle }];
}
