// A worker of a fault run, as a process of its own: `runWorker` over the real adapters and channels, each behind the
// faults that the plan holds for it. It kills, stops or cuts itself off where the plan says so.

import { flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { endProcesses } from '../../src/agent/processes.ts';
import { createWorkplace } from '../../src/agent/workplace.ts';
import { createHttpChannel } from '../../src/channels/http/channel.ts';
import { createTelegramApi } from '../../src/channels/telegram/api.ts';
import { createTelegramChannel } from '../../src/channels/telegram/channel.ts';
import { systemClock } from '../../src/core/clock.ts';
import { MAX_ATTEMPTS, RETENTION_SEC } from '../../src/core/defaults.ts';
import { eraseChat } from '../../src/core/erase-chat.ts';
import type { SessionKey, TurnId } from '../../src/core/ids.ts';
import type { Log } from '../../src/core/log.ts';
import type { AgentRunner } from '../../src/core/ports.ts';
import type { TurnPoint } from '../../src/core/running-turn.ts';
import { runWorker } from '../../src/core/worker.ts';
import { createSkewedClock } from '../clock.ts';
import { workerOf } from '../worker-parts.ts';
import { type Current, faultyObjects, faultyQueue, faultyStore } from './faulty.ts';
import { openFaultyHosts } from './faulty-hosts.ts';
import { createInjectedFaults, createNote, type InjectedFaults, type Note } from './injected-faults.ts';
import { createLightRunner } from './light-runner.ts';
import { erasing, mutate, mutateObjects } from './mutations.ts';
import { openPorts, openState } from './ports.ts';
import { createRedeliveries } from './redeliveries.ts';
import { type FromChild, type Settings, TIMING, type ToChild, VISIBILITY_MS } from './settings.ts';
import { numberOfRequest } from './turn-numbers.ts';

const stopping = new AbortController();
const deadline = new AbortController();
/** A Telegram call that hangs longer than this counts as unanswered. */
const TELEGRAM_TIMEOUT_MS = 1_000;

process.on('message', (message: ToChild) => {
  if (message.type === 'stop') stopping.abort();
  else
    boot(message.settings, message.name, message.skewMs, message.spared).catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
});
// The kit is gone: nobody would end this process later.
process.on('disconnect', () => process.exit(1));

async function boot(settings: Settings, name: string, skewMs: number, spared: boolean): Promise<void> {
  const note = createNote(settings.folder, name);
  const planned = spared
    ? settings.faults.filter(({ how }) => how !== 'kill' && how !== 'deadline')
    : settings.faults;
  const faults = createInjectedFaults(settings.folder, planned, note);
  const current: Current = { message: null, fence: 0 };
  const clock = createSkewedClock(systemClock, skewMs);
  const ports = await openPorts(settings.store, clock, systemClock);
  // Half of the workers hand hosts the store's own files, and have a spare host.
  const isOdd = /^\w+-\d*[13579]\./.test(name);
  const objects = mutateObjects(faultyObjects(ports.objects, faults, current, isOdd), settings.mutation);
  const state = openState(objects);
  const log: Log = (level, event, fields) => {
    const { message: text, ...rest } = fields ?? {};
    if (event === 'agent-started' || event === 'hot-ended')
      note(event, { ...rest, message: current.message });
    if (level !== 'debug') note('log', { ...rest, level, event, text, message: current.message });
  };
  const { timeFactor } = settings;
  let agentRoot = '';
  const runner = await openRunner(settings, current, note);
  const { token, apiRoot } = settings.telegram;
  const api = createTelegramApi({ token, apiRoot, timeoutMs: TELEGRAM_TIMEOUT_MS });
  const editEveryMs = { private: 100, group: 100 };
  const channels = [
    createTelegramChannel({ api, clock, log, editEveryMs }),
    createHttpChannel({ events: ports.events, log }),
  ];
  const sessions = faultyStore(ports.store, faults, current, note);
  const erase = async (key: SessionKey, by: TurnId) => {
    const { schedules } = ports;
    await eraseChat(
      { store: sessions, state: erasing(state, settings.mutation), objects, schedules },
      key,
      by,
    );
  };
  const deps = {
    store: sessions,
    queue: faultyQueue(ports.queue, {
      faults,
      current,
      note,
      numberOf: (request) => numberOfRequest(settings.folder, request),
      redeliveries: createRedeliveries(settings.folder),
    }),
    state,
    schedules: ports.schedules,
    forget: erase,
    workplace: createWorkplace({ root: `${settings.folder}/exec-${name}` }),
    runner: {
      run: (run) => {
        agentRoot = run.directory.root;
        note('agent-run', {
          message: current.message,
          turn: run.request.turnId,
          fence: current.fence,
          continuing: run.continuing,
        });
        return runner.run(run);
      },
    } satisfies AgentRunner,
    channels: new Map(channels.map((channel) => [channel.name, channel])),
    clock,
    log,
    timing: { ...TIMING, leaseMs: TIMING.leaseMs * timeFactor },
    retentionSec: RETENTION_SEC,
    maxAttempts: MAX_ATTEMPTS,
    visibilityMs: VISIBILITY_MS * timeFactor,
    at: (point: TurnPoint) => injectAt(point, faults, current, timeFactor, () => agentRoot),
  };
  const hosts = settings.hosts
    ? await openFaultyHosts({
        ...{ settings, name, objects, state, faults, current, note, log },
        spares: isOdd ? 0 : 1,
        modelUrl: modelUrlOf(settings, current),
        onRoot: (root) => {
          agentRoot = root;
        },
      })
    : null;
  // Now, since it may never come to an end of its own.
  flushCompileCache();
  say({ type: 'ready', port: 0 });
  const parts = mutate(deps, settings.mutation, settings.folder);
  await runWorker(hosts ? { ...parts, hosts } : workerOf(parts), {
    signal: stopping.signal,
    deadline: deadline.signal,
  });
  await hosts?.close();
  await ports.close();
  process.exit(0);
}

/** Each run of the agent has a model address of its own, so the model's log tells who called it and for what. */
const modelUrlOf =
  (settings: Settings, current: Current) =>
  (turnId: string): string =>
    `${settings.modelUrl}/run/${turnId}/${current.fence}`;

async function openRunner(settings: Settings, current: Current, note: Note): Promise<AgentRunner> {
  const modelUrl = modelUrlOf(settings, current);
  if (settings.agent === 'light') {
    const environment = { NODE_COMPILE_CACHE: settings.codeFolder };
    return {
      run: (run) => createLightRunner({ modelUrl: modelUrl(run.request.turnId), environment }).run(run),
    };
  }
  const [{ loadAgentFolder }, { createAgentRunner }] = await Promise.all([
    import('../../src/agent/agent-folder.ts'),
    import('../../src/agent/runner.ts'),
  ]);
  const folder = await loadAgentFolder(fileURLToPath(new URL('../../examples/agent', import.meta.url)));
  note('agent', { real: true });
  return {
    run: (run) =>
      createAgentRunner({
        folder,
        model: { baseUrl: modelUrl(run.request.turnId), demo: false },
        sandbox: { kind: 'none', reason: 'switched off by the fault kit', accepted: true },
      }).run(run),
  };
}

async function injectAt(
  point: TurnPoint,
  faults: InjectedFaults,
  current: Current,
  timeFactor: number,
  agentRoot: () => string,
): Promise<void> {
  const fault = faults.take(`at:${point}`, current.message);
  if (fault === null) return;
  const ms = fault.ms ?? 0;
  const later = (act: () => void) => void setTimeout(act, ms);
  if (fault.how === 'agent-kill') later(() => void endProcesses(agentRoot()).catch(() => {}));
  else if (fault.how === 'deadline')
    later(() => {
      stopping.abort();
      deadline.abort();
    });
  else if (fault.how === 'kill' && ms > 0) later(() => process.kill(process.pid, 'SIGKILL'));
  else if (fault.how === 'kill') {
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => {});
  } else if (fault.how === 'pause') {
    await new Promise<void>((resolve) =>
      process.send?.({ type: 'pausing', ms: ms * timeFactor } satisfies FromChild, undefined, {}, () =>
        resolve(),
      ),
    );
    process.kill(process.pid, 'SIGSTOP');
  }
}

function say(message: FromChild): void {
  process.send?.(message);
}
