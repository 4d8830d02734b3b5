// An agent host of a fault run, as a process of its own: the product's host with the light agent in the place of the CLI, its
// line to the worker behind the faults of the plan.
import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { serveHost } from '../../src/host/serve-host.ts';
import { createFaultyLine } from './faulty-line.ts';
import { type HostEnvironment, hostFaultsFile, MARK, messageFile } from './host-environment.ts';
import { createInjectedFaults, createNote } from './injected-faults.ts';
import { createLightRunner } from './light-runner.ts';
import type { PlannedFault } from './planned.ts';

const environment = process.env as unknown as HostEnvironment;
const folder = environment[MARK];
const note = createNote(folder, `host-${process.pid}`);
const frames = new Socket({ fd: 3 });
const bytes = new Socket({ fd: 4, readable: false });
frames.on('error', () => {});
bytes.on('error', () => {});
const planned = JSON.parse(readFileSync(hostFaultsFile(folder), 'utf8')) as PlannedFault[];
const line = createFaultyLine({
  frames,
  bytes,
  faults: createInjectedFaults(folder, planned, note),
  note,
  hello: environment.FAULTS_HELLO || null,
  messageOf(sessionId, fence) {
    const message = Number(readFileSync(join(folder, messageFile(sessionId, fence)), 'utf8'));
    note('host-opened', { message, fence, worker: environment.FAULTS_WORKER, pid: process.pid });
    return message || null;
  },
});
flushCompileCache();
await serveHost(line, {
  ways: { ports: {}, proxyEnvironment: {} },
  openRunner: async () => ({
    run: (run, { model }) =>
      createLightRunner({
        modelUrl: model.baseUrl ?? '',
        environment: { NODE_COMPILE_CACHE: environment.NODE_COMPILE_CACHE, [MARK]: folder },
      }).run(run),
  }),
});
// The mutation `outlive-worker`: nothing ends it but somebody else.
if (environment.FAULTS_STAYS) setInterval(() => {}, 60_000);
else process.exit(0);
