// The terminal chat. It uses the HTTP API like any other client: that of a running server when `--url` names one, else
// that of a system it starts itself, without log lines, over the same data folder. A server of this machine takes the
// data folder's key.
import { randomUUID } from 'node:crypto';
import { isLoopbackHost } from '../api/guard.ts';
import { Invalid } from '../core/errors.ts';
import { readAccessKey } from '../local/access-key.ts';
import { readConfiguration } from '../local/configuration.ts';
import { startSystem } from '../local/system.ts';
import { harmless } from '../text/harmless.ts';
import { type ApiClient, createApiClient } from './api-client.ts';
import { converse } from './chat-loop.ts';
import { createChatScreen } from './chat-screen.ts';
import type { AgentOptions, CliContext } from './context.ts';
import { fileLines } from './download.ts';
import { EXIT } from './failure.ts';
import { readAddress } from './page-address.ts';

export interface ChatOptions extends AgentOptions {
  readonly url?: string;
  readonly key?: string;
  readonly once?: string;
}

/** Returns the exit code. */
export async function chat(context: CliContext, name: string, options: ChatOptions): Promise<number> {
  if (!/^[A-Za-z0-9._~-]{1,124}$/.test(name)) {
    throw new Invalid('usage', 'A chat name is 1 to 124 characters of A-Z a-z 0-9 . _ ~ -');
  }
  if (options.json && options.once === undefined) throw new Invalid('usage', '--json needs --once.');
  const system = options.url ? null : await ownSystem(context, options);
  const { url, key } = system ?? (await namedServer(context, options));
  const onAway = (why: string) => context.terminal.note(harmless(`${why} Trying again.`));
  const client = createApiClient({ url, key, onAway });
  try {
    const chatId = `cli-${name}`;
    if (options.once === undefined) return await converse({ context, client, name, chatId });
    return await sayOnce(context, client, chatId, options.once, options.json === true);
  } finally {
    await system?.close(1_000);
  }
}

async function namedServer({ env, cwd }: CliContext, options: ChatOptions) {
  const { url, key: inAddress } = readAddress(options.url ?? '');
  const given = options.key || inAddress || env.HYBRID_SESSIONS_API_KEY;
  if (given) return { url, key: given };
  // Another machine is never shown this one's key.
  if (!isLoopbackHost(new URL(url).hostname)) return { url, key: null };
  const overrides = options.data === undefined ? {} : { dataDir: options.data };
  return { url, key: await readAccessKey(readConfiguration({ env, cwd, overrides }).dataDir) };
}

async function ownSystem(context: CliContext, options: ChatOptions) {
  const configuration = readConfiguration({
    env: context.env,
    cwd: context.cwd,
    overrides: {
      host: '127.0.0.1',
      port: 0,
      workers: 1,
      ...(options.data !== undefined && { dataDir: options.data }),
      ...(options.agent !== undefined && { agentDir: options.agent }),
      logLevel: context.env.HYBRID_SESSIONS_LOG === 'debug' ? 'debug' : 'error',
    },
  });
  // Channels stay off: only a server that was started for a bot should answer the bot's messages.
  return await startSystem({ ...configuration, channels: {} }, { env: context.env });
}

async function sayOnce(
  context: CliContext,
  client: ApiClient,
  chatId: string,
  text: string,
  json: boolean,
): Promise<number> {
  const { terminal } = context;
  const { model } = await client.info();
  const { turn_id: turnId } = await client.send(chatId, { kind: 'message', text, key: randomUUID() });
  const screen = createChatScreen(terminal, { streams: false });
  let answer: Awaited<ReturnType<typeof screen.show>> = null;
  const onInterrupt = () => void client.stop(turnId).catch(() => {});
  process.on('SIGINT', onInterrupt);
  try {
    answer = await screen.show(client.watch(turnId));
  } finally {
    process.off('SIGINT', onInterrupt);
  }
  if (!answer?.reply) throw new Invalid('no-reply', 'The chat was erased before it could answer.');
  if (json) terminal.json(answer);
  else {
    if (model.demo) terminal.note(terminal.style('dim', 'This is the demo model, not Claude.'));
    terminal.line(harmless(answer.reply.text));
    for (const line of fileLines(answer.reply.files ?? [])) terminal.note(line);
  }
  if (answer.reply.outcome === 'stopped') return EXIT.interrupted;
  return answer.reply.outcome === 'ok' ? EXIT.ok : EXIT.failed;
}
