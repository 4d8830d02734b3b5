// `npm run aws:local`: the distributed engine on this machine. Stand-ins for DynamoDB, S3, SQS, Parameter Store and
// Telegram, the queue's pollers, and the functions as processes of the real Lambda runtime client, from the files
// that go into the ZIP and the image. State is in S3 and DynamoDB only, both in memory: it is gone at the end.
// ANTHROPIC_API_KEY is not used: the demo model answers.
import { mkdtemp, rm } from 'node:fs/promises';
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
    agent: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-aws-'));
const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];

async function end(code: number): Promise<never> {
  for (const step of ends.splice(0).reverse()) await step().catch(() => {});
  process.exit(code);
}

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A second Ctrl-C does not wait.
    if (stopping) process.exit(130);
    stopping = true;
    process.stdout.write('\nStopping ...\n');
    void end(0);
  });
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
    ports: { api: Number(values.port), telegram: Number(values['telegram-port']) },
    ...(values.quiet ? {} : { onOutput: (text: string) => process.stderr.write(text) }),
  });
  if ('unavailable' in installation) {
    process.stderr.write(`${installation.unavailable}\n`);
    await end(3);
  } else {
    ends.push(() => installation.close());
    const { apiUrl, apiKey, webhookUrl, telegram, bot } = installation;
    const person = `${telegram.apiRoot}/person/${bot.id}`;
    process.stdout.write(`
Web page   ${apiUrl}
Key        ${apiKey}   (the page asks for it)
API        curl -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\
             -d '{"text":"hello"}' ${apiUrl}/v1/chats/curl/messages
Webhook    ${webhookUrl}   (registered with the fake Telegram)
Telegram   a chat with @${bot.username}:
           write:  curl -H 'content-type: application/json' -d '{"chat_id":${ALLOWED_USER},"text":"hello"}' ${person}/say
           read:   curl ${person}/chats/${ALLOWED_USER}

DynamoDB   ${installation.dynamo.endpoint}
S3         ${installation.s3.endpoint}
SQS        ${installation.sqs.endpoint}
Ctrl-C ends all of it.
`);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  await end(1);
}
