// The server-side parts of a fault run, as a process of their own: the HTTP API and the Telegram webhook on one
// loopback port. Faults strike between accepting, queueing and acknowledging a message.

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { flushCompileCache } from 'node:module';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { systemClock } from '../../src/core/clock.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { SessionStore, TurnQueue } from '../../src/core/ports.ts';
import { injecting } from './faulty.ts';
import { createInjectedFaults, createNote } from './injected-faults.ts';
import { numberIn, type Place, type PlannedFault } from './planned.ts';
import { openPorts } from './ports.ts';
import { createServerSide } from './server-side.ts';
import type { FromChild, Settings, ToChild } from './settings.ts';
import { numberOfRequest } from './turn-numbers.ts';
import { startWakeUps } from './wake-ups.ts';

/** The message that the mutation `out-of-order` lets others pass. */
const HELD_BACK = 2;

process.on('message', (message: ToChild) => {
  if (message.type === 'stop') process.exit(0);
  void boot(message.settings, message.name, message.port).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
process.on('disconnect', () => process.exit(1));

async function boot(settings: Settings, name: string, port: number): Promise<void> {
  const note = createNote(settings.folder, name);
  const faults = createInjectedFaults(settings.folder, settings.faults, note);
  const ports = await openPorts(settings.store, systemClock, systemClock);

  const dying = {
    take(place: Place, message: number | null): PlannedFault | null {
      const fault = faults.take(place, message);
      if (fault?.how === 'kill') process.kill(process.pid, 'SIGKILL');
      return fault;
    },
  };
  const numberOf = (request: TurnRequest) => numberOfRequest(settings.folder, request);
  const store: SessionStore = {
    ...ports.store,
    accept: (request, retentionSec) =>
      injecting(dying, 'server.accept', numberOf(request), () => ports.store.accept(request, retentionSec)),
  };
  const queue: TurnQueue = {
    ...ports.queue,
    send: (request) => injecting(dying, 'server.send', numberOf(request), () => sendMutated(request)),
  };
  const sentBefore = new Set<string>();
  const sendMutated: TurnQueue['send'] = async (request) => {
    if (settings.mutation === 'out-of-order' && numberIn(request.text) === HELD_BACK) {
      setTimeout(() => void ports.queue.send(request).catch(() => {}), 600);
      return;
    }
    const known = sentBefore.has(request.turnId);
    sentBefore.add(request.turnId);
    if (settings.mutation !== 'no-dedupe' || !known) return await ports.queue.send(request);
    const turnId = `turn_${randomBytes(16).toString('hex')}` as typeof request.turnId;
    await ports.queue.send({ ...request, turnId });
  };
  const serve = createServerSide({
    ...ports,
    store,
    queue,
    name,
    clock: systemClock,
    telegram: settings.telegram,
  });
  /** The last moment: the message is durable, its acknowledgement is not out. */
  const answering = async (request: Request): Promise<Response> => {
    const body = request.method === 'POST' ? await request.clone().text() : '';
    const response = await serve(request);
    const fault = body === '' ? null : dying.take('server.answer', numberIn(body));
    if (fault?.how === 'slow') await pause(fault.ms ?? 0);
    if (fault?.how === 'refuse' || fault?.how === 'lose') throw new Error('The answer is lost.');
    return response;
  };
  const listener = getRequestListener(answering, {
    errorHandler: () => new Response('lost', { status: 502 }),
  });
  const server = createServer(
    (request: IncomingMessage, response: ServerResponse) => void listener(request, response),
  );
  startWakeUps({ ...ports, store, queue }, settings);
  // Now, since it may never come to an end of its own.
  flushCompileCache();
  server.listen(port, '127.0.0.1', () => {
    process.send?.({ type: 'ready', port: (server.address() as AddressInfo).port } satisfies FromChild);
  });
}
