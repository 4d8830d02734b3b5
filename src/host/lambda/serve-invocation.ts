// The host's side of an invocation: lays the line of ../serve-host.ts over the response's stream and the worker's mailbox,
// fetches the packs that it was given URLs for, and uploads new ones. It has nothing of the worker but those URLs and
// a token to ask what the worker says. One session, in a folder that belongs to it alone.
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeTree } from '../../agent/remove-tree.ts';
import { backoffMs } from '../../core/backoff.ts';
import type { StateLimits } from '../../core/ports/execution.ts';
import { readFrames, writeFrame } from '../frames.ts';
import { createIncoming } from '../incoming.ts';
import { openCliRunner } from '../open-cli-runner.ts';
import { createPackIntake } from '../pack-intake.ts';
import { HOST_PATIENCE } from '../patience.ts';
import { type FromHost, PROTOCOL_VERSION, SENT_NAME, type ToHost } from '../protocol.ts';
import { serveHost } from '../serve-host.ts';
import {
  CONTROL_PATH,
  type Invocation,
  invocationSchema,
  MAX_CONTROL_WAIT_MS,
  type Message,
  type News,
  newsSchema,
} from './invocation.ts';
import { createPresignedObjects } from './presigned-objects.ts';

export interface InvocationOptions {
  /** Belongs to this function alone; what lies there is removed first. */
  readonly root: string;
  readonly agentFolder: string;
  /** Where those are that tenants may be given. */
  readonly agentFolders: string;
  readonly limits: StateLimits;
  /** Of the agent's shell. */
  readonly path: string;
  /** True when every other process of this user belongs to the session. */
  readonly ownsUser: boolean;
  /** Ends what the agent left running. */
  readonly endOthers: () => Promise<void>;
}

/** While the agent runs only a stop may come. */
const ASK_EVERY_MS = 1_500;
/** Without a word for so long the worker is gone. It says that it is there every twenty seconds. */
const LONELY_MS = 90_000;
const AGAIN = { firstMs: 100, maxMs: 3_000, jitter: 0.5 };

/** Resolves when the worker has closed the host, or is gone. */
export async function serveInvocation(
  options: InvocationOptions,
  event: unknown,
  out: Writable,
): Promise<void> {
  const { control, messages, agent, maxWorkspaceBytes }: Invocation = invocationSchema.parse(event);
  const directory = await emptyPlace(options);
  const [input, output, bytes] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const packs = join(options.root, 'packs');
  const objects = createPresignedObjects();
  const incoming = await createIncoming(packs, objects, { shared: false });
  const intake = createPackIntake(bytes, objects, join(options.root, 'spool'));
  const over = new AbortController();
  let isOpen = false;
  let isRunning = false;
  /** True when the worker's next word is what the host waits for. */
  const isWaiting = () => isOpen && !isRunning;

  const feed = (frame: ToHost): void => void writeFrame(input, frame);

  async function hear({ frame, reads, writes }: Message): Promise<void> {
    objects.allow({ reads, writes });
    if (frame === undefined) return;
    const said = frame as ToHost;
    if (said.type === 'run') isRunning = true;
    if (said.type === 'have' && said.found) return await fetchPack(said.name);
    feed(said.type === 'open' ? { ...said, directory } : said);
  }

  async function fetchPack(name: string): Promise<void> {
    const found = await incoming.stage(`${name}.pack`, name).catch(() => false);
    feed({ type: 'have', name, found });
  }

  async function upload(name: string, size: number): Promise<void> {
    const result = await intake.take(`${name}.pack`, size).catch(() => 'refused' as const);
    // A file that the agent sends may be there from a try before; its size is looked at.
    const isThere = result === 'exists' && SENT_NAME.test(name);
    if (result === 'created' || isThere) await say({ type: 'pack', name, bytes: size });
    feed({ type: 'put', result });
  }

  async function say(frame: FromHost): Promise<void> {
    if (frame.type === 'opened' || frame.type === 'failed') isOpen = true;
    if (frame.type === 'ended') isRunning = false;
    if (!writeFrame(out, frame) && out.writable) await drained(out);
  }

  async function sayAll(): Promise<void> {
    for await (const frame of readFrames(output, (value) => value as FromHost)) {
      if (frame.type === 'ready') continue;
      // The image is at fault: the function's error, which has an alarm.
      if (frame.type === 'failed' && frame.at === 'boot')
        throw new Error(`The host cannot start: ${frame.message}`);
      if (frame.type === 'pack') void upload(frame.name, frame.bytes);
      else if (frame.type === 'need' && objects.mayRead(frame.name)) void fetchPack(frame.name);
      else await say(frame);
    }
  }

  async function hearAll(): Promise<void> {
    let after = 0;
    let failures = 0;
    let heardAtMs = performance.now();
    while (!over.signal.aborted) {
      if (performance.now() - heardAtMs > LONELY_MS) return feed({ type: 'close' });
      if (!isWaiting()) await wait(ASK_EVERY_MS, isWaiting);
      const news = await ask(control, after, isWaiting() ? MAX_CONTROL_WAIT_MS : 0).catch(() => null);
      failures = news ? 0 : failures + 1;
      if (!news) await wait(backoffMs(AGAIN, failures));
      for (const { number, message } of news?.messages ?? []) {
        after = number;
        heardAtMs = performance.now();
        await hear(message);
      }
    }
  }

  async function wait(ms: number, isOver = () => false): Promise<void> {
    for (let left = ms; left > 0 && !isOver() && !over.signal.aborted; left -= 20) await sleep(20);
  }

  const serving = serveHost(
    { input, output, bytes },
    { ways: { ports: {}, proxyEnvironment: {} }, openRunner: openCliRunner },
  );
  feed({
    type: 'boot',
    version: PROTOCOL_VERSION,
    folder: agent === undefined ? options.agentFolder : join(options.agentFolders, agent),
    incoming: packs,
    limits: { ...options.limits, ...(maxWorkspaceBytes === undefined ? {} : { maxWorkspaceBytes }) },
    path: options.path,
    // An environment of its own is around all of it.
    sandbox: 'host',
    accepted: true,
    outside: options.ownsUser ? 'the worker is on another machine' : null,
    beatEveryMs: HOST_PATIENCE.beatEveryMs,
  });
  for (const message of messages) await hear(message);
  const hearing = hearAll();
  const saying = sayAll();
  try {
    await Promise.race([serving, saying.then(() => serving)]);
    output.end();
    await saying;
  } finally {
    over.abort();
    input.end();
    await hearing;
    await options.endOthers();
  }
}

async function emptyPlace({ root, endOthers }: InvocationOptions) {
  await endOthers();
  await Promise.all((await readdir(root)).map((name) => removeTree(join(root, name))));
  const directory = { root, config: join(root, '.claude-code'), workspace: join(root, 'workspace') };
  for (const folder of [directory.config, directory.workspace, join(root, 'home'), join(root, 'tmp')]) {
    await mkdir(folder, { mode: 0o700 });
  }
  return directory;
}

async function ask({ url, token }: Invocation['control'], after: number, waitMs: number): Promise<News> {
  const response = await fetch(new URL(`${CONTROL_PATH}?after=${after}&waitMs=${waitMs}`, url), {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(MAX_CONTROL_WAIT_MS + 10_000),
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return newsSchema.parse(await response.json());
}

async function drained(stream: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once('drain', resolve).once('close', resolve);
  });
}
