// Discord as a channel of one's own, over HTTP interactions: people write `/ask text:...` and press buttons below questions.
// Answers go out with the bot's token, so a turn may take as long as it likes. Not here: plain messages, which Discord tells
// through its gateway only, files, and what the agent says while it works.
import { createPublicKey, verify } from 'node:crypto';
import * as hybrid from 'hybrid-sessions/channel';
import { z } from 'zod';

const API = 'https://discord.com/api/v10';
const MAX_TEXT = 2_000;
const FRESH_SEC = 300;

const id = z.string().regex(/^\d{1,24}$/, 'must be an id of digits, as Discord shows it in developer mode');
const person = z.object({ id, username: z.string() });
const interaction = z.object({
  id,
  application_id: id,
  type: z.number(),
  channel_id: id.default(''),
  user: person.optional(),
  member: z.object({ user: person }).optional(),
  message: z.object({ id }).optional(),
  data: z
    .object({ custom_id: z.string(), options: z.array(z.object({ name: z.string(), value: z.unknown() })) })
    .partial()
    .default({}),
});
const target = z.object({ channel: id, message: id.nullable() });

export const discord = hybrid.defineChannel({
  name: 'discord',
  title: 'Discord',
  settings: {
    token: {
      kind: 'secret',
      schema: z.string().min(20),
      env: 'DISCORD_BOT_TOKEN',
      usedBy: ['outgoing'],
      about: 'token of the bot',
    },
    publicKey: {
      kind: 'config',
      schema: z.hex().length(64),
      env: 'DISCORD_PUBLIC_KEY',
      usedBy: ['webhook'],
      about: 'public key of the application',
    },
    allowedUsers: {
      kind: 'config',
      schema: z.array(id).default([]),
      usedBy: ['webhook'],
      about: 'ids of the people whom the bot answers',
    },
  },
  outgoing: async ({ settings }) => createDiscord(settings),
  webhook: {
    routes: [{ method: 'POST', path: '' }],
    open: async (context) => createInteractions(context, context.settings),
  },
});

type Inlet = Pick<hybrid.InletContext<unknown>, 'tenant' | 'accept' | 'clock' | 'log'>;
type Who = { readonly publicKey: string; readonly allowedUsers: readonly string[] };

export function createInteractions(inlet: Inlet, { publicKey, allowedUsers }: Who): hybrid.WebhookHandler {
  const x = Buffer.from(publicKey, 'hex').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return async (request) => {
    const body = await hybrid.readBody(request, { maxBytes: 200_000, maxMs: 5_000 });
    if (typeof body === 'string') return new Response(null, { status: 413 });
    const at = request.headers.get('x-signature-timestamp') ?? '';
    const signature = Buffer.from(request.headers.get('x-signature-ed25519') ?? '', 'hex');
    const isFresh = Math.abs(inlet.clock.now() / 1_000 - Number(at)) <= FRESH_SEC;
    const isSigned = isFresh && verify(null, Buffer.concat([Buffer.from(at), body]), key, signature);
    if (!isSigned) return new Response(null, { status: 401 });
    const read = interaction.safeParse(hybrid.jsonOf(new TextDecoder().decode(body)));
    if (!read.success) return new Response(null, { status: 400 });
    if (read.data.type === 1) return Response.json({ type: 1 });
    return await take(read.data).catch((error: unknown) => {
      inlet.log('error', 'discord-webhook-failed', hybrid.errorFields(error));
      return new Response(null, { status: 503 });
    });
  };

  /** What Discord shows at once: the words of the person, or why nothing comes. */
  async function take(given: z.infer<typeof interaction>): Promise<Response> {
    const { application_id: bot, channel_id: chat, member, message, data } = given;
    const { id: user, username: name } = member?.user ?? given.user ?? { id: '', username: '' };
    if (!allowedUsers.includes(user)) return say('You are not on the list of people whom I answer.');
    const text = data.options?.find((one) => one.name === 'text')?.value;
    const press = given.type === 3 && message ? hybrid.pressOf(data.custom_id ?? '') : null;
    const said = press ?? (given.type === 2 && typeof text === 'string' && text !== '' ? { text } : null);
    if (said === null || chat === '') return say('I cannot read that.');
    const conversation = { tenant: inlet.tenant, channel: 'discord', bot, chat, thread: null };
    const turn = hybrid.turnRequest({
      ...{ ...said, conversation, dedupeId: given.id, sender: { id: user, name } },
      replyTarget: { channel: chat, message: message?.id ?? null },
      receivedAtMs: inlet.clock.now(),
    });
    const refusal = await hybrid.takeTurn(inlet, turn);
    if (refusal !== null) return say(refusal || 'Please wait.');
    return press ? Response.json({ type: 6 }) : say(hybrid.cutText(`> ${said.text}`, MAX_TEXT, '…'), 0);
  }
}

function say(content: string, flags = 64 /* to the one person alone */): Response {
  return Response.json({ type: 4, data: { content, flags, allowed_mentions: { parse: [] } } });
}

export function createDiscord({ token, apiRoot = API }: { token: string; apiRoot?: string }): hybrid.Channel {
  const call = (path: string, more: hybrid.PlatformCall = {}) =>
    hybrid.callPlatform(`${apiRoot}/channels/${path}`, {
      headers: { authorization: `Bot ${token}` },
      ...more,
    });
  return {
    name: 'discord',
    capabilities: { edit: false, markdown: true, maxTextLength: MAX_TEXT, buttons: true },
    open: () => ({ push() {}, async close() {} }),
    async deliver({ request, anchor, remember }, reply) {
      const { channel, message } = target.parse(request.replyTarget);
      if (message && reply.answered) {
        const words = reply.answered.flatMap(({ answer }) => (answer ? hybrid.decisionText(answer) : []));
        const edit = { method: 'PATCH', body: { content: `✓ ${words.join(', ')}`, components: [] } };
        const edited = call(`${channel}/messages/${message}`, { ...edit, repeatable: true });
        await edited.catch((error) => (error instanceof hybrid.Gone ? null : Promise.reject(error)));
      }
      const texts = reply.quiet ? [] : hybrid.replyTexts(reply, MAX_TEXT).map((content) => ({ content }));
      const asked = (reply.asked ?? []).map(questionMessage);
      const sent = z.number().catch(0).parse(anchor);
      for (const [at, body] of [...texts, ...asked].entries()) {
        if (at < sent) continue;
        // Throws where another worker has the session by now.
        await remember(at);
        // Of messages with the same nonce Discord keeps the first one, for some minutes: a call may be made again.
        const once = { nonce: `${request.turnId.slice(-20)}-${at}`, enforce_nonce: true };
        await call(`${channel}/messages`, { body: { ...body, ...once, allowed_mentions: { parse: [] } } });
      }
    },
  };
}

function questionMessage(question: hybrid.Question): object {
  const buttons = hybrid.buttonsOf(question).map(({ label, code }) => {
    return { type: 2, style: 2, label: hybrid.cutText(label, 80, '…'), custom_id: code };
  });
  // Five buttons are a row.
  const rows = [buttons.slice(0, 5), buttons.slice(5, 10)].filter((row) => row.length > 0);
  return { content: 'Please decide.', components: rows.map((components) => ({ type: 1, components })) };
}
