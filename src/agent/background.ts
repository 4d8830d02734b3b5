// What a turn leaves running is waited for here, once the agent has answered: for the time that the folder names, or, when the
// agent asked for it (keep_running), until it ends, within the folder's limit. Then the agent is told what became of it, and
// the turn goes on. What still runs otherwise is named for the reply; ending it is for whoever ends the turn's processes.
import { setTimeout as sleep } from 'node:timers/promises';
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import { backoffMs } from '../core/backoff.ts';
import { type EndedProgram, MAX_ENDED_PROGRAMS } from '../core/ended-programs.ts';
import type { AgentRun } from '../core/ports/execution.ts';
import type { AgentSettings } from './agent-folder-schema.ts';
import { type LeftRunning, lastWordsOf, leftRunning } from './left-running.ts';
import { KEEP_RUNNING } from './own-tools.ts';

const LOOKING = { firstMs: 20, maxMs: 1_000 };

/** `tell`: the agent is to be told this, and goes on. `ended`: nothing more is waited for; what still runs. */
export type Waited = { readonly tell: string } | { readonly ended: readonly EndedProgram[] };

export interface Background {
  see(message: SDKMessage): void;
  /** Whether there is something to wait for. Nothing is looked for where no command has run. */
  isBusy(): Promise<boolean>;
  /** The agent has answered: waits for what runs. */
  wait(): void;
  /** What comes of the waiting; null when nothing is waited for, or no longer. */
  readonly waited: Promise<Waited> | null;
  stopWaiting(): void;
  /** The agent has been told: what it asked for is done. */
  told(): void;
  /** What runs now, without waiting. */
  running(): Promise<readonly EndedProgram[]>;
  /** The agent has asked that it be waited for, and has not been told yet. */
  readonly isKept: boolean;
}

export function createBackground({
  run,
  settings,
  shellWrapper,
}: {
  readonly run: Pick<AgentRun, 'directory' | 'progress' | 'signal'>;
  readonly settings: AgentSettings['background'];
  readonly shellWrapper: string;
}): Background {
  const { root } = run.directory;
  let hasCommands = false;
  /** Asked for since the agent was told last. */
  let keepMs: number | null = null;
  let keptSinceMs: number | null = null;
  let waits = 0;
  let stop: AbortController | null = null;
  let waited: Promise<Waited> | null = null;
  /** All that were seen since the agent was told last. */
  const seen = new Map<number, LeftRunning>();

  async function look(): Promise<readonly LeftRunning[]> {
    if (!hasCommands) return [];
    const left = await leftRunning(root, shellWrapper);
    for (const one of left) seen.set(one.pid, one);
    return left;
  }

  const words = async (programs: readonly LeftRunning[]): Promise<readonly EndedProgram[]> =>
    await Promise.all(programs.filter((_, at) => at < MAX_ENDED_PROGRAMS).map(lastWordsOf));

  function longestMs(): number {
    if (keepMs === null) return settings.waitSec * 1_000;
    keptSinceMs ??= performance.now();
    const leftMs = settings.longestMinutes * 60_000 - (performance.now() - keptSinceMs);
    return Math.max(0, Math.min(keepMs, leftMs));
  }

  async function drain(stop: AbortSignal): Promise<readonly LeftRunning[]> {
    const signal = AbortSignal.any([run.signal, stop]);
    const endMs = performance.now() + longestMs();
    let running = await look();
    for (let looks = 1; running.length > 0 && !signal.aborted; looks++) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) break;
      await sleep(Math.min(leftMs, backoffMs(LOOKING, looks)), undefined, { signal }).catch(() => {});
      running = await look();
    }
    return running;
  }

  async function waitFor(stop: AbortSignal): Promise<Waited> {
    const id = `background-${++waits}`;
    const [first] = await look();
    const summary = `Waiting for ${first?.name ?? 'what runs in the background'}`;
    const show = (state: 'started' | 'done') =>
      run.progress({ type: 'tool', id, name: 'Background', summary, state });
    if (first) show('started');
    const running = await drain(stop);
    if (first) show('done');
    if (keepMs === null || run.signal.aborted) return { ended: await words(running) };
    const all = [...seen.values()];
    const lines = (await words(all)).map(({ name, lastLines }, at) => {
      const still = running.some(({ pid }) => pid === all[at]?.pid);
      const what = still ? 'still runs, and is ended when you have answered' : 'has ended';
      return `- ${name}: ${what}${lastLines === '' ? '' : `. It wrote last:\n${lastLines}`}`;
    });
    return { tell: `What you left running in the background:\n${lines.join('\n')}` };
  }

  function stopWaiting(): void {
    stop?.abort();
    stop = null;
    waited = null;
  }

  return {
    see(message) {
      // The agent has begun with what a person wrote to it meanwhile: its answer is waited for first.
      if (message.type === 'assistant' || message.type === 'stream_event') stopWaiting();
      if (message.type !== 'assistant') return;
      for (const block of message.message.content) {
        if (block.type !== 'tool_use') continue;
        if (block.name === 'Bash') hasCommands = true;
        if (block.name !== KEEP_RUNNING) continue;
        keepMs = minutesIn(block.input) * 60_000;
        // One that ends before the agent has answered is told of, too.
        void look().catch(() => {});
      }
    },
    get isKept() {
      return keepMs !== null;
    },
    isBusy: async () => (await look()).length > 0 || (keepMs !== null && seen.size > 0),
    running: async () => await words(await look()),
    wait() {
      stop = new AbortController();
      const waiting = waitFor(stop.signal);
      waiting.catch(() => {});
      waited = waiting;
    },
    get waited() {
      return waited;
    },
    stopWaiting,
    told() {
      stopWaiting();
      keepMs = null;
      seen.clear();
    },
  };
}

function minutesIn(input: unknown): number {
  const minutes = (input as { readonly minutes?: unknown } | null)?.minutes;
  return typeof minutes === 'number' && minutes > 0 ? minutes : 0;
}
