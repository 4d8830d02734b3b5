// `npm run aws:local`: the distributed engine on this machine. Stand-ins for DynamoDB, S3, SQS, EventBridge Scheduler, Parameter Store and
// Telegram, the queue's pollers, and the functions as processes of the real Lambda runtime client, from the files
// that go into the ZIP and the image. State is in S3 and DynamoDB only, both in memory: it is gone at the end.
// ANTHROPIC_API_KEY is not used: the demo model answers.
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ALLOWED_USER, startInstallation } from '../testing/lambda/installation.ts';
import { buildFunctions } from './functions.mjs';
import { assembleTree } from './image.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8788' },
    'telegram-port': { type: 'string', default: '8789' },
    workers: { type: 'string', default: '2' },
    agents: { type: 'string', default: 'shared' },
    agent: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
});

if (values.agents !== 'shared' && values.agents !== 'isolated') {
  process.stderr.write('--agents: `shared` or `isolated`.\n');
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-aws-'));
const ends: (() => Promise<unknown>)[] = [];
// Whatever way it ends: processes in it have been killed by then (testing/lambda, testing/aws).
process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

async function end(code: number): Promise<never> {
  for (const step of ends.splice(0).reverse()) await step().catch(() => {});
  process.exit(code);
}

const MAX_END_MS = 15_000;
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // It takes a second or two; asking again does not make it leave anything behind.
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(130), MAX_END_MS).unref();
    process.stdout.write('\nStopping ...\n');
    void end(0);
  });
}

/** What a person wants to see of the functions' log lines. */
function tell(text: string): void {
  for (const line of text.split('\n').filter((part) => part.startsWith('{"level"'))) {
    const { level, message, turn, outcome, tookMs, error } = JSON.parse(line) as Record<string, string>;
    if (message === 'turn-ended') {
      process.stderr.write(
        `turn ${turn?.slice(5, 13)}: ${outcome}, ${(Number(tookMs) / 1000).toFixed(1)} s\n`,
      );
    } else if (level === 'WARN' || level === 'ERROR') {
      process.stderr.write(`${level?.toLowerCase()}: ${message}${error ? ` (${error})` : ''}\n`);
    }
  }
}

try {
  const [functions, image] = [join(folder, 'functions'), join(folder, 'image')];
  await Promise.all([
    buildFunctions(functions),
    assembleTree(image, values.agent === undefined ? {} : { agent: values.agent }),
  ]);
  const installation = await startInstallation({
    folder,
    functions,
    image,
    workers: Number(values.workers),
    agents: values.agents === 'isolated' ? 'isolated' : 'shared',
    ports: { api: Number(values.port), telegram: Number(values['telegram-port']) },
    onOutput: values.log ? (text) => process.stderr.write(text) : tell,
  });
  if ('unavailable' in installation) {
    process.stderr.write(`${installation.unavailable}\n`);
    await end(3);
  } else {
    ends.push(() => installation.close());
    const { apiUrl, apiKey, webhookUrl, telegram, bot, awsFile } = installation;
    const keys = Object.entries(installation.credentials).map(([name, value]) => `${name}=${value}`);
    const person = `${telegram.apiRoot}/person/${bot.id}`;
    process.stdout.write(`
Web page   ${apiUrl}/#key=${apiKey}
API        curl -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\
             -d '{"text":"hello"}' ${apiUrl}/v1/chats/curl/messages
Webhook    ${webhookUrl}   (registered with the fake Telegram)
Telegram   a chat with @${bot.username}:
           write:  curl -H 'content-type: application/json' -d '{"chat_id":${ALLOWED_USER},"text":"hello"}' ${person}/say
           read:   curl ${person}/chats/${ALLOWED_USER}

Commands   ${keys.join(' ')} \\
             npx hybrid-sessions sessions list --aws ${awsFile}

DynamoDB   ${installation.dynamo.endpoint}
S3         ${installation.s3.endpoint}
SQS        ${installation.sqs.endpoint}
Agents     ${values.agents}; ${installation.sandbox ? 'what runs them has its own processes and user' : 'bubblewrap does not work here, so they run as you'}
Ctrl-C ends all of it.
`);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  await end(1);
}
