// The host's program inside a function: it may live longer than an invocation, with its session's agent. What it says goes to
// whoever listens now; packs come and go by the URLs of the invocation that runs.
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { removeTree } from '../../agent/remove-tree.ts';
import type { ExecutionDirectory, StateLimits } from '../../core/ports/execution.ts';
import { readFrames, writeFrame } from '../frames.ts';
import { createIncoming } from '../incoming.ts';
import { openCliRunner } from '../open-cli-runner.ts';
import { createPackIntake } from '../pack-intake.ts';
import { HOST_PATIENCE } from '../patience.ts';
import { type FromHost, PROTOCOL_VERSION, SENT_NAME, type ToHost } from '../protocol.ts';
import { serveHost } from '../serve-host.ts';
import { createPresignedObjects, type PresignedObjects } from './presigned-objects.ts';

export interface ResidentHostOptions {
  /** Belongs to this function alone; what lies there is removed first. */
  readonly root: string;
  readonly limits: StateLimits;
  /** Of the agent's shell. */
  readonly path: string;
  /** True when every other process of this user belongs to the session. */
  readonly ownsUser: boolean;
  /** Ends what the agent left running. */
  readonly endOthers: () => Promise<void>;
}

export interface ResidentHost {
  readonly directory: ExecutionDirectory;
  readonly objects: Pick<PresignedObjects, 'allow'>;
  feed(frame: ToHost): void;
  /** From now on. One frame after the other: the next one waits. */
  listen(hear: (frame: FromHost) => Promise<void>): void;
  fetchPack(name: string): Promise<void>;
  /** Its agent stays: what belongs to the invocation is removed. */
  rest(): Promise<void>;
  /** Resolves when the program has come to its end; rejects when it could not begin. */
  readonly ended: Promise<void>;
  /** Ends it, its agent, and all that it left running. */
  end(): Promise<void>;
}

/** `folder`: the agent folder. */
export async function startResidentHost(options: ResidentHostOptions, folder: string): Promise<ResidentHost> {
  const directory = await emptyPlace(options);
  const [input, output, bytes] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const [packs, spool] = [join(options.root, 'packs'), join(options.root, 'spool')];
  const objects = createPresignedObjects();
  const incoming = await createIncoming(packs, objects, { shared: false });
  const intake = createPackIntake(bytes, objects, spool);
  let hear: (frame: FromHost) => Promise<void> = async () => {};

  const feed = (frame: ToHost): void => void writeFrame(input, frame);

  async function fetchPack(name: string): Promise<void> {
    const found = await incoming.stage(`${name}.pack`, name).catch(() => false);
    feed({ type: 'have', name, found });
  }

  async function upload(name: string, size: number): Promise<void> {
    const result = await intake.take(`${name}.pack`, size).catch(() => 'refused' as const);
    // A file that the agent sends may be there from a try before; its size is looked at.
    const isThere = result === 'exists' && SENT_NAME.test(name);
    if (result === 'created' || isThere) await hear({ type: 'pack', name, bytes: size });
    feed({ type: 'put', result });
  }

  async function hearAll(): Promise<void> {
    for await (const frame of readFrames(output, (value) => value as FromHost)) {
      if (frame.type === 'ready') continue;
      // The image is at fault: the function's error, which has an alarm.
      if (frame.type === 'failed' && frame.at === 'boot')
        throw new Error(`The host cannot start: ${frame.message}`);
      if (frame.type === 'pack') void upload(frame.name, frame.bytes);
      else if (frame.type === 'need' && objects.mayRead(frame.name)) void fetchPack(frame.name);
      else await hear(frame);
    }
  }

  const serving = serveHost(
    { input, output, bytes },
    { ways: { ports: {}, proxyEnvironment: {} }, ofHost: [packs, spool], openRunner: openCliRunner },
  );
  feed({
    type: 'boot',
    version: PROTOCOL_VERSION,
    folder,
    incoming: packs,
    limits: options.limits,
    path: options.path,
    // An environment of its own is around all of it.
    sandbox: 'host',
    accepted: true,
    outside: options.ownsUser ? 'the worker is on another machine' : null,
    beatEveryMs: HOST_PATIENCE.beatEveryMs,
  });
  const hearing = hearAll();
  const ended = (async () => {
    await Promise.race([serving, hearing.then(() => serving)]);
    output.end();
    await hearing;
  })();
  // Nobody may wait for it when it ends.
  ended.catch(() => {});

  return {
    directory,
    objects,
    feed,
    listen(next) {
      hear = next;
    },
    fetchPack,
    async rest() {
      objects.forget();
      await removeTree(spool);
      for (const name of await readdir(packs)) await removeTree(join(packs, name));
    },
    ended,
    async end() {
      input.end();
      await ended.catch(() => {});
      await options.endOthers();
    },
  };
}

async function emptyPlace({ root, endOthers }: ResidentHostOptions): Promise<ExecutionDirectory> {
  await endOthers();
  await Promise.all((await readdir(root)).map((name) => removeTree(join(root, name))));
  const directory = { root, config: join(root, '.claude-code'), workspace: join(root, 'workspace') };
  for (const folder of [directory.config, directory.workspace, join(root, 'home'), join(root, 'tmp')]) {
    await mkdir(folder, { mode: 0o700 });
  }
  return directory;
}
