// A host that is ended for being over a limit: whoever waits for it hears which limit, in the words for the person, at whatever
// step it happens, and not that the agent failed.
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { Invalid } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { createHostLink } from '../../src/host/host-link.ts';
import { createProcessHosts } from '../../src/host/process-hosts.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { leaseOf, requestOf } from '../agent/turn-fixture.ts';

const OVER = { limit: 'memoryBytes', message: 'I used more than 4 GB of memory together.' };
const limits = { maxWorkspaceBytes: 1_000_000, maxWorkspaceFiles: 100 };

/** Over its limit when it is asked for this. */
function hostsOver(step: 'open' | 'run' | 'save') {
  const objects = createMemoryObjectStore();
  const state = createSessionState({ objects, limits });
  const start = async () => {
    const [fromHost, bytes] = [new PassThrough(), new PassThrough()];
    const end = Promise.withResolvers<{ overLimit?: typeof OVER }>();
    const die = (how: { overLimit?: typeof OVER }) => {
      end.resolve(how);
      fromHost.end();
      bytes.end();
    };
    const write = (line: string): boolean => {
      const { type } = JSON.parse(line) as { type: string };
      if (type === step) die({ overLimit: OVER });
      else if (type === 'open') fromHost.push('{"type":"opened"}\n');
      else if (type === 'run') {
        const outcome = { status: 'ok', text: 'said', demo: false };
        fromHost.push(`${JSON.stringify({ type: 'ended', outcome })}\n`);
      }
      return true;
    };
    const frames = Object.assign(fromHost, { write });
    const process = { stdio: [null, null, null, frames, bytes], kill: () => die({}), ended: end.promise };
    const link = createHostLink(process, silentLog);
    const directory = { root: '/none', config: '/none/c', workspace: '/none/w' };
    const claim = async () => ({ directory, stage: async () => true, spool: '/none' });
    return { link, claim, close: async () => die({}) };
  };
  const access = {
    during: (_run: unknown, work: (access: never) => Promise<never>) =>
      work({ folder: { settings: {} }, model: { demo: true }, away: () => null } as never),
    answersAgain: async () => true,
  };
  return createProcessHosts({ start, objects, state, limits, access, spares: 0, log: silentLog });
}

test.each(['open', 'run', 'save'] as const)('at %s', async (step) => {
  const lease = leaseOf('11111111-2222-4333-8444-555555555555');
  const head = {
    ...lease,
    generation: 0,
    state: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtSec: 2 ** 31,
  };
  const turn = async () => {
    const host = await hostsOver(step).open(lease, head);
    await host.run({
      sessionId: lease.sessionId,
      resume: false,
      continuing: false,
      request: requestOf('hello', 'm'),
      tries: 1,
      progress: () => {},
      signal: new AbortController().signal,
    });
    await host.save({ head, generation: 1, running: false });
  };
  const error: unknown = await turn().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Invalid);
  expect(error).toMatchObject({ code: 'over-limit', message: OVER.message, data: { limit: OVER.limit } });
});
