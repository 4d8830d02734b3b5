// A stand-in for Discord's API with one bot and one channel: keeps messages, honours nonces as documented, signs interactions
// with the application's key, and fails on demand.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChannelFault, Post } from 'hybrid-sessions/testing/contracts/channel';

export const TOKEN = 'SECRET-token-of-the-example-bot';
export const CHANNEL = '200000000000000001';
export const ANN = { id: '100000000000000001', username: 'ann' };
export const BOB = { id: '100000000000000002', username: 'bob' };
const APPLICATION = '300000000000000001';
export const REFUSED_FOR_SEC = 3;

interface Button {
  readonly label: string;
  readonly custom_id: string;
}

interface Message {
  readonly id: string;
  readonly nonce: string;
  content: string;
  components: readonly { readonly components: readonly Button[] }[];
}

export async function startFakeDiscord() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex');
  const messages: Message[] = [];
  let fault: { kind: ChannelFault; after: number; times: number } | null = null;
  let gone = false;
  let calls = 0;
  let ids = 400_000_000_000_000_000n;

  const server = createServer(async (request, response) => {
    calls += 1;
    const body = (JSON.parse((await textOf(request)) || '{}') ?? {}) as Partial<Message>;
    const answer = (status: number, value: object, headers = {}) =>
      void response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    const struck = strike();
    if (struck === 'lost-call') return void request.socket.destroy();
    if (struck === 'server-error') return answer(503, { message: 'unavailable' });
    if (struck === 'refused') {
      return answer(429, { retry_after: REFUSED_FOR_SEC }, { 'retry-after': String(REFUSED_FOR_SEC) });
    }
    if (request.headers.authorization !== `Bot ${TOKEN}`) return answer(401, { code: 0 });
    const [, channel, id] = /^\/channels\/(\d+)\/messages(?:\/(\d+))?$/.exec(request.url ?? '') ?? [];
    if (gone || channel !== CHANNEL) return answer(404, { code: 10_003 });
    if ((body.content ?? '').length > 2_000 || body.content === '') return answer(400, { code: 50_035 });
    const message = id === undefined ? post(body) : messages.find((one) => one.id === id);
    if (!message) return answer(404, { code: 10_008 });
    if (id !== undefined) Object.assign(message, { content: body.content, components: body.components });
    if (struck === 'lost-answer') return void request.socket.destroy();
    answer(200, { id: message.id });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  /** Of messages with the same nonce there is one. */
  function post({ nonce = randomUUID(), content = '', components = [] }: Partial<Message>): Message {
    const before = messages.find((one) => one.nonce === nonce);
    if (before) return before;
    ids += 1n;
    const message = { id: String(ids), nonce, content, components };
    messages.push(message);
    return message;
  }

  function strike(): ChannelFault | null {
    if (!fault) return null;
    if (fault.after > 0) {
      fault.after -= 1;
      return null;
    }
    fault.times -= 1;
    const { kind } = fault;
    if (fault.times <= 0) fault = null;
    return kind;
  }

  function interaction(fields: object, by = ANN): string {
    ids += 1n;
    const common = { id: String(ids), application_id: APPLICATION, channel_id: CHANNEL };
    return JSON.stringify({ ...common, member: { user: by }, ...fields });
  }

  return {
    apiRoot: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    publicKey: key,
    messages,
    interaction,
    asked: (text: string, by = ANN) =>
      interaction({ type: 2, data: { name: 'ask', options: [{ name: 'text', type: 3, value: text }] } }, by),
    pressed(label: string, by = ANN) {
      const message = messages.findLast((one) => buttonsOf(one).some((button) => button.label === label));
      const button = message && buttonsOf(message).find((one) => one.label === label);
      const data = { component_type: 2, custom_id: button?.custom_id };
      return interaction({ type: 3, message: { id: message?.id }, data }, by);
    },
    signed(body: string, atMs: number): Post {
      const at = String(Math.floor(atMs / 1_000));
      const signature = sign(null, Buffer.from(at + body), privateKey).toString('hex');
      const headers = { 'x-signature-timestamp': at, 'x-signature-ed25519': signature };
      return { url: 'http://ingress.test/discord', headers, body };
    },
    buttons: () => messages.flatMap((one) => buttonsOf(one).map(({ label }) => label)),
    fail(kind: ChannelFault, { after = 0, times = 1 } = {}) {
      fault = { kind, after, times };
    },
    faultsLeft() {
      const left = fault?.times ?? 0;
      fault = null;
      return left;
    },
    leave() {
      gone = true;
    },
    calls: () => calls,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function buttonsOf({ components }: Message): readonly Button[] {
  return components.flatMap((row) => row.components);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
