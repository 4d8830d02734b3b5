// Copy this for a channel of your own. It works as it is: a service posts `{ id, chat, person, text }` with a bearer secret,
// and answers are posted to its address. docs/channels.md goes through it line by line.
import { timingSafeEqual } from 'node:crypto';
import {
  callPlatform,
  defineChannel,
  errorFields,
  jsonOf,
  readBody,
  replyTexts,
  takeTurn,
  turnRequest,
} from 'hybrid-sessions/channel';
import { z } from 'zod';

const MAX_TEXT = 4_000;
const message = z.object({ id: z.string(), chat: z.string(), person: z.string(), text: z.string() });

export const desk = defineChannel({
  name: 'desk',
  title: 'Help desk',
  settings: {
    secret: {
      kind: 'secret',
      schema: z.string().min(16),
      env: 'DESK_SECRET',
      usedBy: ['webhook', 'outgoing'],
      about: 'what both sides show each other',
    },
    answersTo: {
      kind: 'config',
      schema: z.url(),
      env: 'DESK_ANSWERS_TO',
      usedBy: ['outgoing'],
      about: 'where answers are posted',
    },
    people: {
      kind: 'config',
      schema: z.array(z.string()).default([]),
      usedBy: ['webhook'],
      about: 'who is heard',
    },
  },

  // Messages in: check who calls, read, hand over, and only then say that it is taken.
  webhook: {
    routes: [{ method: 'POST', path: '' }],
    async open({ settings, tenant, accept, clock, log }) {
      return async (request) => {
        if (!isSecret(request.headers.get('authorization'), settings.secret)) {
          return new Response(null, { status: 401 });
        }
        const body = await readBody(request, { maxBytes: 200_000, maxMs: 5_000 });
        if (typeof body === 'string') return new Response(null, { status: 413 });
        const read = message.safeParse(jsonOf(new TextDecoder().decode(body)));
        if (!read.success) return new Response(null, { status: 400 });
        const { id, chat, person, text } = read.data;
        if (!settings.people.includes(person)) return new Response(null, { status: 200 });
        const turn = turnRequest({
          conversation: { tenant, channel: 'desk', bot: 'desk', chat, thread: null },
          dedupeId: id,
          text,
          sender: { id: person, name: null },
          replyTarget: { chat },
          receivedAtMs: clock.now(),
        });
        try {
          return Response.json({ said: await takeTurn({ accept, log }, turn) });
        } catch (error) {
          log('error', 'desk-webhook-failed', errorFields(error));
          return new Response(null, { status: 503 });
        }
      };
    },
  },

  // Answers out: may be called again after any failure, and still shows each answer once.
  async outgoing({ settings }) {
    return {
      name: 'desk',
      capabilities: { edit: false, markdown: true, maxTextLength: MAX_TEXT },
      open: () => ({ push() {}, async close() {} }),
      async deliver({ request, anchor, remember }, reply) {
        if (reply.quiet) return;
        const { chat } = z.object({ chat: z.string() }).parse(request.replyTarget);
        const sent = z.number().catch(0).parse(anchor);
        for (const [at, text] of replyTexts(reply, MAX_TEXT).entries()) {
          if (at < sent) continue;
          // Throws where another worker has the session by now.
          await remember(at);
          await callPlatform(settings.answersTo, {
            headers: { authorization: `Bearer ${settings.secret}` },
            // The service keeps one message of each id, so a call that got no answer may be made again.
            body: { id: `${request.turnId}-${at}`, chat, text },
          });
        }
      },
    };
  },
});

function isSecret(shown: string | null, secret: string): boolean {
  const [a, b] = [Buffer.from(shown ?? ''), Buffer.from(`Bearer ${secret}`)];
  return a.length === b.length && timingSafeEqual(a, b);
}
