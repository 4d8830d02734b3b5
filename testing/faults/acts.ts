// What the people of a run do besides writing messages: they stop, steer, undo and redo, begin anew, forget, have
// something scheduled, move to another kind of group, and answer questions: twice, late, or as somebody who may not. Drawn from a stream of its own, so that messages and faults of a seed are the same
// with and without them.
import type { Act } from './act.ts';
import type { PlannedFault, PlannedMessage } from './planned.ts';
import type { Random } from './random.ts';

export interface ActOptions {
  /** Share of messages that something is done after. */
  readonly rate: number;
  readonly agent: 'light' | 'real';
  readonly random: Random;
}

type Next = (act: Act, pauseMs?: number) => PlannedMessage;

/** The messages with the acts between them, and the faults that make room for those: a turn that runs long enough. */
export function withActs(
  messages: readonly PlannedMessage[],
  { rate, agent, random }: ActOptions,
): { readonly messages: readonly PlannedMessage[]; readonly faults: readonly PlannedFault[] } {
  const faults: PlannedFault[] = [];
  const moved = new Set<number>();
  let number = messages.length;
  const all = messages.flatMap((message) => {
    if (!random.chance(rate)) return [message];
    const next: Next = (act, pauseMs = random.between(0, 300)) => ({
      number: ++number,
      channel: message.channel,
      chat: message.chat,
      pauseMs,
      duplicates: random.chance(0.2) ? 1 : 0,
      againAfterMs: random.chance(0.1) ? random.between(0, 3_000) : null,
      act,
    });
    /** The turn before it runs for a while. */
    const longer = (ms: number) =>
      faults.push({ id: `${message.number}-work`, message: message.number, place: 'model', how: 'slow', ms });
    const kinds = agent === 'light' ? LIGHT : REAL;
    const acting = { random, next, longer, message, moved, faults };
    return [message, ...random.pick(kinds)(acting)];
  });
  return { messages: all, faults };
}

interface Acting {
  readonly random: Random;
  readonly next: Next;
  readonly longer: (ms: number) => void;
  readonly message: PlannedMessage;
  /** Groups that have become supergroups. */
  readonly moved: Set<number>;
  readonly faults: PlannedFault[];
}
type Kind = (acting: Acting) => readonly PlannedMessage[];

const STOP: Kind = ({ random, next, longer }) => {
  longer(random.between(400, 900));
  return [next({ kind: 'stop', text: random.chance(0.5) }, random.between(100, 600))];
};
const BTW: Kind = ({ random, next, longer }) => {
  longer(random.between(700, 1_200));
  const first = next({ kind: 'btw' }, random.between(50, 500));
  return random.chance(0.3) ? [first, next({ kind: 'btw' }, random.between(0, 300))] : [first];
};
const UNDO: Kind = ({ random, next }) => {
  const undo = next({ kind: 'undo', turns: random.pick([1, 1, 1, 2, 2, 3]) });
  return random.chance(0.4) ? [undo, next({ kind: 'redo' })] : [undo];
};
const NEW: Kind = ({ random, next }) => {
  const fresh = next({ kind: 'new' });
  if (!random.chance(0.3)) return [fresh];
  // Back into the session before it, and perhaps forth again.
  const back = next({ kind: 'undo', turns: 1 });
  return random.chance(0.5) ? [fresh, back, next({ kind: 'redo' })] : [fresh, back];
};
const ASK: Kind = ({ random, next, message }) => {
  const ask = next({ kind: 'ask' });
  const press = (stranger = false, pauseMs = random.between(0, 200)) =>
    next(
      { kind: 'press', of: ask.number, decision: random.pick(['once', 'once', 'chat', 'deny']), stranger },
      pauseMs,
    );
  const isGroup = message.chat % 4 === 3;
  const strangers = isGroup && random.chance(0.6) ? [press(true)] : [];
  switch (random.pick(['press', 'press', 'twice', 'undone', 'late', 'never'])) {
    case 'twice':
      return [ask, ...strangers, press(), press(false, 0), press(false, 0)];
    case 'undone':
      return [ask, press(), next({ kind: 'undo', turns: 1 }), press()];
    case 'late':
      return [ask, next({ kind: 'stop', text: true }), press()];
    case 'never':
      return [ask, ...strangers];
    default:
      return [ask, ...strangers, press()];
  }
};
/** What is scheduled is erased with its chat, so a chat has one of the two. */
const isForgetful = ({ chat }: PlannedMessage): boolean => chat % 3 === 2;

const FORGET_OR_SCHEDULE: Kind = ({ random, next, message, faults }) => {
  if (isForgetful(message)) {
    const forget = next({ kind: 'forget' });
    const how = random.pick(['refuse', 'lose', 'slow', 'none']);
    if (how !== 'none')
      faults.push({
        id: `${forget.number}-erase`,
        message: forget.number,
        place: 'store.erase',
        how,
        ms: 500,
      });
    return [forget];
  }
  const schedule = next({ kind: 'schedule', wake: 0, inMs: random.between(200, 2_500) });
  const wake = { ...next({ kind: 'wake', of: schedule.number }), duplicates: 0, againAfterMs: null };
  const act = { ...schedule.act, wake: wake.number } as Act;
  return [{ ...schedule, act }, wake];
};
const MIGRATE: Kind = (acting) => {
  const { next, message, moved } = acting;
  if (message.chat % 4 !== 3 || moved.has(message.chat)) return UNDO(acting);
  moved.add(message.chat);
  return [{ ...next({ kind: 'migrate' }), duplicates: 0, againAfterMs: null }];
};
const REAL: readonly Kind[] = [STOP, UNDO, UNDO, NEW, MIGRATE];
const LIGHT: readonly Kind[] = [
  ...[STOP, BTW, BTW, UNDO, UNDO, NEW, ASK, ASK],
  ...[FORGET_OR_SCHEDULE, FORGET_OR_SCHEDULE, MIGRATE],
];
