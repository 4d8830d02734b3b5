// Secrets are planted wherever one can be given, a server is used and fails in the usual ways, and then everything that it
// printed or stored is searched for them: logs of server and workers, answers, metrics, doctor, database files, objects,
// exports, an audit log. The agent's own shell looks for them, too: what it finds would be in the conversation.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { CONFIG_FILE } from '../../src/local/configuration.ts';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { startFakeTelegram } from '../../testing/telegram/fake-telegram.ts';
import { emptyFolder, run, start } from './fixture.ts';

const PATIENT = { interval: 100 };
const ANN = 1001;
const SECRETS = {
  ANTHROPIC_API_KEY: 'sk-ant-canary-model-0123456789abcdef',
  HYBRID_SESSIONS_API_KEY: 'canary-api-key-0123456789abcdef',
  TELEGRAM_BOT_TOKEN: '7001:canary-own-bot-0123456789abcdef',
  ACME_TOKEN: '7002:canary-tenant-bot-0123456789abcdef',
  ACME_WEBHOOK_SECRET: 'canary-webhook-secret-0123456789abcdef',
  AWS_SECRET_ACCESS_KEY: 'canary-aws-secret-0123456789abcdef',
};
/** Given to `vault set`, not to the environment. */
const STORED = { VAULT: 'canary-vault-0123456789abcdef', VAULT_OF_ANN: 'canary-vault-ann-0123456789abcdef' };
/** A turn's right to call the model. It is dead when the turn ends, and still nobody else's business. */
const TURN_TOKEN = /turn-[\w-]{12}\.[\w-]{43}|turn1\.[\w-]{20,}/;
/** The agent's shell has its turn's token, and here it prints it: so it is in that session's own transcript, and nowhere else. */
const OWN_WORDS = /^whole-.*[/](?:conversation|[0-9a-f-]{36})\.jsonl$/;
const LOOK =
  'env; set; cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"; cat ~/.* /etc/environment 2>/dev/null; true';

test(`${promise('NO-SECRETS')} no planted secret is in anything printed or stored`, async () => {
  const telegram = await startFakeTelegram();
  const own = telegram.addBot({ token: SECRETS.TELEGRAM_BOT_TOKEN });
  const acme = telegram.addBot({ token: SECRETS.ACME_TOKEN });
  const model = await createScriptedModel(({ raw }) => {
    const { messages } = raw as { messages: { role: string }[] };
    const last = JSON.stringify(messages.filter(({ role }) => role === 'user').at(-1));
    if (last.includes('refuse me')) return { fault: 'status', status: 400, message: 'cannot be done' };
    const looks = last.includes('look around') && !last.includes('"type":"tool_result"');
    if (!looks) return { blocks: [{ type: 'text', text: 'an answer' }] };
    return { blocks: [{ type: 'tool_use', name: 'Bash', input: { command: LOOK, description: 'Looks' } }] };
  });
  const cwd = await emptyFolder();
  await writeFile(join(cwd, CONFIG_FILE), JSON.stringify({ telegram: { allowedUsers: [ANN] } }));
  const env = {
    ...SECRETS,
    ANTHROPIC_BASE_URL: model.url,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    HYBRID_SESSIONS_LOG: 'debug',
  };
  const printed = new Map<string, string>();
  const command = async (...args: string[]) => await commandWith('', ...args);
  const commandWith = async (input: string, ...args: string[]) => {
    const { code, out, err } = await run(args, { cwd, env, input });
    printed.set(args.join(' '), out + err);
    return code;
  };
  const references = [
    '--secret',
    'token=env:ACME_TOKEN',
    '--secret',
    'webhookSecret=env:ACME_WEBHOOK_SECRET',
  ];
  expect(
    await command(
      'tenants',
      'add',
      'acme',
      '--bot',
      'telegram/7002',
      ...references,
      '--allow-users',
      `telegram=${ANN}`,
    ),
  ).toBe(0);
  // A secret given in place of its reference is refused, without being repeated.
  expect(
    await command(
      'tenants',
      'set',
      'acme',
      '--bot',
      'telegram/7002',
      '--secret',
      `token=${SECRETS.ACME_TOKEN}`,
    ),
  ).not.toBe(0);

  expect(await commandWith(STORED.VAULT, 'vault', 'set', 'github', '--tenant', 'acme')).toBe(0);
  const person = ['--person', `telegram/${ANN}`, '--tenant', 'acme'];
  expect(await commandWith(`${STORED.VAULT_OF_ANN}\n`, 'vault', 'set', 'github', ...person, '--json')).toBe(
    0,
  );
  // A value that cannot be used is refused, and one given as an argument is no value; neither is repeated.
  expect(await commandWith(`${STORED.VAULT}\u0007`, 'vault', 'set', 'github')).not.toBe(0);
  expect(await command('vault', 'set', 'github', STORED.VAULT)).not.toBe(0);

  const server = start(['start', '--port', '0', '--workers', '1'], { cwd, env });
  let said = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (piece) => (said += piece));
  const ended = new Promise((resolve) => server.once('close', resolve));
  try {
    await expect.poll(() => /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0], PATIENT).toBeDefined();
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0] ?? '';
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${SECRETS.HYBRID_SESSIONS_API_KEY}`,
    };
    const ask = async (path: string, body?: object, given: Record<string, string> = headers) => {
      const response = await fetch(`${url}${path}`, {
        headers: given,
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
      });
      const text = await response.text();
      printed.set(`${path} ${response.status} ${printed.size}`, text);
      return response.status;
    };
    expect(await ask('/v1/chats/main/messages', { text: 'look around' })).toBe(200);
    expect(await ask('/v1/chats/main/messages', { text: 'refuse me' })).toBe(200);
    expect(await ask('/v1/chats/main/messages', { text: '' })).toBe(400);
    expect(await ask('/v1/chats', undefined, { authorization: `Bearer ${SECRETS.ACME_TOKEN}` })).toBe(401);
    for (const path of ['/v1/chats', '/v1/chats/main', '/v1/info', '/metrics', '/healthz']) await ask(path);
    own.say(ANN, 'hello');
    acme.say(ANN, 'look around');
    await expect.poll(() => own.chat(ANN).botTexts.join('\n'), PATIENT).toContain('answer');
    await expect.poll(() => acme.chat(ANN).botTexts.join('\n'), PATIENT).toContain('answer');
    // It did look: what its shell found is in the conversation.
    const seen = JSON.stringify(model.requests.map(({ body }) => body));
    expect(seen.split('PATH=').length).toBeGreaterThan(2);
    printed.set('in the chats', JSON.stringify([own.chat(ANN).botTexts, acme.chat(ANN).botTexts]));
    // The platform refuses a token: that is logged.
    telegram.renewToken(SECRETS.ACME_TOKEN, '7002:another-one');
    await expect.poll(() => said, PATIENT).toContain('secret-refused');
    expect(await command('doctor', '--json')).not.toBeNull();
    expect(await command('sessions', 'list', '--json')).toBe(0);
    expect(await command('sessions', 'show', 'main')).toBe(0);
    expect(await command('sessions', 'export', 'main', 'whole-chat', '--everything')).toBe(0);
    expect(await command('tenants', 'export', 'acme', 'whole-tenant')).toBe(0);
    expect(await command('tenants', 'show', 'acme', '--json')).toBe(0);
    expect(await command('tenants', 'audit', '--json')).toBe(0);
    expect(await command('vault', 'list', '--tenant', 'acme')).toBe(0);
    // While it runs, so that its log of writes is searched, too.
    await search(printed, cwd, () => said);
  } finally {
    server.kill('SIGTERM');
    await ended;
    await model.close();
    await telegram.close();
  }
  printed.set('start', said);
  const { files } = await search(printed, cwd, () => said);
  expect(files).toBeGreaterThan(20);
  expect(said.length).toBeGreaterThan(1_000);
});

/** Fails with the name of the place and of the secret. */
async function search(printed: ReadonlyMap<string, string>, folder: string, log: () => string) {
  const places = new Map([...printed, ['log', log()] as const]);
  let files = 0;
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    if (!(await stat(path).catch(() => null))?.isFile()) continue;
    files++;
    places.set(name, await readFile(path, 'latin1'));
  }
  const found: string[] = [];
  for (const [place, text] of places) {
    for (const [name, value] of Object.entries({ ...SECRETS, ...STORED })) {
      const forms = [value, Buffer.from(value).toString('base64').slice(0, -4), encodeURIComponent(value)];
      if (forms.some((form) => text.includes(form))) found.push(`${name} in ${place}`);
    }
    if (TURN_TOKEN.test(text) && !OWN_WORDS.test(place)) found.push(`a turn's token in ${place}`);
  }
  expect(found).toEqual([]);
  return { files };
}
