// A whole local system in one call: stores, workers, HTTP server, channels. Whoever starts it gets its address and
// a way to end it; everything that can be wrong is found before the first message is taken.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { loadAgentFolder } from '../agent/agent-folder.ts';
import { detectSandbox } from '../agent/sandbox.ts';
import { describePolicy } from '../agent/tool-policy.ts';
import { createApp } from '../api/app.ts';
import { isLoopbackHost } from '../api/guard.ts';
import { servePageFrom } from '../api/static.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { systemClock } from '../core/clock.ts';
import { Invalid } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { startSweep } from '../core/sweep.ts';
import { type Inlets, startInlets } from './channels.ts';
import { type Configuration, type Environment, PACKAGE_ROOT } from './configuration.ts';
import { createLogLines } from './log-lines.ts';
import { describeModel } from './model-choice.ts';
import { openStores } from './stores.ts';
import { startWorkers } from './supervisor.ts';

export interface SystemOptions {
  /** The program's environment: workers get the harmless part of it. */
  readonly env: Environment;
  readonly version: string;
  readonly log?: Log;
  /** The channels there are; the worker's program must know the same ones. @default those of this package */
  readonly channels?: readonly ChannelDescriptor[];
  /** A program that calls `runWorkerProcess`. @default the one that knows this package's channels */
  readonly workerProgram?: URL;
}

export interface LocalSystem {
  readonly url: string;
  /** Lines for the operator: model, tools, data folder. */
  readonly lines: readonly (readonly [name: string, text: string])[];
  workerPids(): readonly number[];
  /** Ends turns in hand within `graceMs`, or saves them to be continued; then everything. */
  close(graceMs: number): Promise<void>;
}

export async function startSystem(
  configuration: Configuration,
  options: SystemOptions,
): Promise<LocalSystem> {
  const log = options.log ?? logLines(configuration);
  const { host, agentDir, model } = configuration;
  if (!isLoopbackHost(host) && configuration.apiKeys.length === 0) {
    throw new Invalid(
      'key-required',
      `Listening on ${host} lets other machines in, and no bearer key is set.`,
      {
        advice: 'Set HYBRID_SESSIONS_API_KEY to at least 16 characters, or leave HOST out.',
      },
    );
  }
  const folder = await loadAgentFolder(agentDir);
  const sandbox = await detectSandbox();
  const ends: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const stores = await openStores(configuration, { create: true });
    ends.push(() => stores.close());
    const ending = new AbortController();
    const app = createApp({
      ...stores,
      ending: ending.signal,
      clock: systemClock,
      log,
      retentionSec: configuration.retentionSec,
      info: {
        name: 'hybrid-sessions',
        version: options.version,
        model: { demo: model.kind === 'demo', name: modelName(configuration) },
        sandbox: folder.settings.sandbox === 'off' ? 'none' : sandbox.kind,
        tools: folder.settings.tools.allow,
        workers: configuration.workers,
      },
      apiKeys: configuration.apiKeys,
      knownHosts: isLoopbackHost(host) ? [] : null,
      openapi: JSON.parse(readFileSync(join(PACKAGE_ROOT, 'openapi.json'), 'utf8')),
      page: servePageFrom(join(PACKAGE_ROOT, 'web')),
    });
    const { channels = CHANNELS, workerProgram } = options;
    let inlets: Inlets | null = null;
    const answer = (request: Request) => inlets?.fetch(request) ?? app.fetch(request);
    const { url, stop } = await listen(answer, host, configuration.port);
    ends.push(async () => {
      ending.abort();
      await stop();
    });
    let graceMs = 0;
    const program = workerProgram === undefined ? {} : { program: workerProgram };
    const workers = await startWorkers({ configuration, env: options.env, log, ...program });
    ends.push(() => workers.stop(graceMs));
    const sweep = startSweep(stores, log);
    ends.push(() => sweep.stop());
    const accepting = { ...stores, retentionSec: configuration.retentionSec, log };
    const started = startInlets(channels, configuration.channels, accepting);
    inlets = started;
    ends.push(() => started.stop());
    return {
      url,
      lines: [
        [
          'model',
          describeModel(model) + (model.kind === 'demo' ? ' (set ANTHROPIC_API_KEY for Claude)' : ''),
        ],
        ['tools', describePolicy(folder, sandbox).replace(/^Tools: |\.$/g, '')],
        ['agent', agentDir],
        ['data', configuration.dataDir],
        ...started.lines,
      ],
      workerPids: workers.pids,
      async close(grace) {
        graceMs = grace;
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function modelName({ model }: Configuration): string {
  return model.name ?? (model.kind === 'bedrock' ? 'Claude on Amazon Bedrock' : 'Claude');
}

function logLines(configuration: Configuration): Log {
  return createLogLines({
    threshold: configuration.logLevel,
    terminal: process.stderr.isTTY === true,
    write: (line) => void process.stderr.write(line),
    now: () => systemClock.now(),
  });
}

function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  host: string,
  port: number,
): Promise<{ url: string; stop(): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname: host, port }, (address) => {
      const name = host.includes(':') ? `[${host}]` : host;
      resolve({
        url: `http://${name}:${address.port}`,
        stop: () =>
          new Promise((closed) => {
            server.close(() => closed());
            // Streams of turns that go on elsewhere would hold it open; clients come back by Last-Event-ID.
            if ('closeAllConnections' in server) server.closeAllConnections();
          }),
      });
    });
    server.on('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, host, port)));
  });
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): unknown {
  if (cause.code === 'EADDRINUSE') {
    return new Invalid('port-in-use', `Port ${port} is in use.`, {
      cause,
      advice: 'Stop what runs there, or set PORT to another one (0 takes any free one).',
    });
  }
  if (cause.code === 'EACCES') {
    return new Invalid('port-refused', `This user may not listen on port ${port}.`, {
      cause,
      advice: 'Set PORT to one above 1023.',
    });
  }
  if (cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND') {
    return new Invalid('bad-host', `${host} is not an address of this machine.`, {
      cause,
      advice: 'Set HOST to 127.0.0.1, or to an address that this machine has.',
    });
  }
  return cause;
}
