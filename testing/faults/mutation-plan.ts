// A short, hand-written plan that tests every promise: a few chats, each with the faults that reveal a certain
// mutation. A mutation runs only with the chats that can reveal it. A run without a mutation has all chats.

import { MAX_ATTEMPTS } from '../../src/core/defaults.ts';
import type { Act } from './act.ts';
import type { Mutation } from './mutations.ts';
import type { Place, Plan, PlannedFault } from './planned.ts';

/** The chats that reveal each mutation. */
const CHATS: Readonly<Record<Mutation, readonly number[]>> = {
  'skip-fence': [1],
  'skip-ledger': [2],
  'deliver-before-commit': [2],
  'swallow-upload': [3],
  'ack-first': [4],
  'no-dedupe': [4],
  'out-of-order': [1],
  'empty-session': [3],
  'two-step-commit': [5],
  'forget-continuation': [9],
  'never-extend': [6],
  'lose-retries': [3],
  'send-anew': [3],
  'leak-files': [7, 8],
  'trust-hosts': [10],
  'outlive-worker': [11],
  'wait-for-hung': [12],
  'stale-hot': [13],
  'press-twice': [14],
  'lose-steering': [15],
  'undo-keeps-files': [16],
  'erase-ledger-only': [17],
  'move-anew': [19],
  'wake-twice': [21],
};

/** Three times what a worker that was forgotten needs to be taken over from, at most: visibility, lease, a retry. */
const SLOW_COMMIT_MS = 6_000;

/** Long enough for a turn of the real agent on another worker. */
const OTHERS_TURN_MS = 12_000;

/** Longer than it takes until a message that is written meanwhile is seen. */
const TOLD_MS = 2_000;

/** Message number -> its chat and faults. */
const MESSAGES: readonly (readonly [
  chat: number,
  ...faults: readonly (readonly [Place, string, number?, number?])[],
])[] = [
  // 1: commits late, while its successor runs
  [1, ['at:after-pack', 'pause', 2_700], ['model', 'slow', 1_500, 2]],
  [1],
  [1],
  // 4
  [2, ['at:after-commit', 'kill']],
  [2, ['at:after-send', 'kill']],
  // 6
  [3, ['store.commit', 'refuse'], ['at:after-send', 'kill']],
  [3, ['objects.put', 'refuse']],
  [3, ['objects.stream', 'refuse']],
  // 9: written three times at once
  [4, ['at:mid-run', 'kill']],
  [4],
  // 11
  [5, ['store.commit', 'kill']],
  [9, ['model', 'slow', 800], ['at:mid-run', 'deadline', 100]],
  // 13: longer than a lease, whoever runs it, as often as it may be tried
  [6, ...Array.from({ length: MAX_ATTEMPTS }, () => ['store.commit', 'slow', SLOW_COMMIT_MS] as const)],
  // 14: a chat with a saved state, then a fresh one
  [7],
  [7],
  [8],
  // 17: hosts
  [10, ['host:save', 'table']],
  [10, ['host:result', 'second-result'], ['host:save', 'size']],
  [11, ['model', 'slow', 1_500], ['at:mid-run', 'kill', 700]],
  [12, ['host:run', 'stop', 50]],
  [12, ['host:restore', 'hang']],
  // 22: the worker of the first stands still, with the agent that stayed, while the other one takes the second
  [13, ['at:after-mark', 'pause', OTHERS_TURN_MS]],
  [13, ['at:after-mark', 'pause', OTHERS_TURN_MS]],
  [13],
  // 25: asked back about, and pressed twice
  [14],
  [14],
  [14],
  // 28: three turns, each told something while it runs
  ...[1, 2, 3].flatMap(() => [[15, ['model', 'slow', TOLD_MS]], [15]] as const),
  // 34: two turns, of which the second one is undone
  [16],
  [16],
  [16],
  [16],
  // 38: forgotten, and gone on with
  [17],
  [17],
  [17],
  // 41: a group that becomes a supergroup
  [19],
  [19],
  [19],
  // 44: something that is due a moment later
  [21],
  [21],
];

/** What is done in place of writing, and how long after the message before it. */
const ACTS: Readonly<Record<number, readonly [Act, pauseMs?: number]>> = {
  25: [{ kind: 'ask' }],
  26: [{ kind: 'press', of: 25, decision: 'once', stranger: false }],
  27: [{ kind: 'press', of: 25, decision: 'once', stranger: false }],
  29: [{ kind: 'btw' }, 500],
  31: [{ kind: 'btw' }, 500],
  33: [{ kind: 'btw' }, 500],
  36: [{ kind: 'undo', turns: 1 }],
  39: [{ kind: 'forget' }],
  42: [{ kind: 'migrate' }],
  44: [{ kind: 'schedule', wake: 45, inMs: 300 }],
  45: [{ kind: 'wake', of: 44 }],
};

export function mutationPlan(mutation: Mutation | null): Plan {
  const chats = mutation === null ? null : CHATS[mutation];
  const wanted = MESSAGES.map(([chat, ...faults], index) => ({ number: index + 1, chat, faults })).filter(
    ({ chat }) => chats === null || chats.includes(chat),
  );
  const faults: PlannedFault[] = wanted.flatMap(({ number, faults }) =>
    faults.map(([place, how, ms = 0, after = 0], index) => ({
      id: `${number}-${index}`,
      message: number,
      place,
      how,
      ms,
      after,
    })),
  );
  return {
    seed: 0,
    workers: workersFor(mutation),
    skewMs: [0, 400],
    messages: wanted.map(({ number, chat }) => ({
      number,
      chat,
      channel: chat % 2 === 1 ? 'telegram' : 'http',
      // The second chat of a leak begins when the first has a saved state.
      pauseMs: chat === 8 ? 1_500 : (ACTS[number]?.[1] ?? 0),
      duplicates: number === 9 ? 2 : 0,
      againAfterMs: number === 9 ? 1_000 : null,
      ...(ACTS[number] && { act: ACTS[number][0] }),
    })),
    faults,
  };
}

function workersFor(mutation: Mutation | null): number {
  // One alone meets every chat and all of its turns: it remembers what it is to forget.
  if (mutation === 'leak-files' || mutation === 'undo-keeps-files') return 1;
  // Each attempt meets its successor while it is at work, and none of them comes to its end before the last.
  if (mutation === 'never-extend') return MAX_ATTEMPTS + 1;
  return mutation === null ? 4 : 2;
}
