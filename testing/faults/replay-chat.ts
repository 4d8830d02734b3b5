// What a chat must have come to, by what its people did: its turns gone through in the order in which they were committed, with
// sessions, undo and redo as a person understands them. Each turn's reply is held against what stands there at that moment.
import type { SessionId, SessionKey } from '../../src/core/ids.ts';
import type { TurnRecord } from '../../src/core/records.ts';
import type { CheckInput, Outcome } from './check-input.ts';
import { checkPress, type OpenAsk, opened } from './check-questions.ts';
import type { Findings } from './findings.ts';
import { KEEP_GENERATIONS } from './settings.ts';

/** A turn that moved its session on. */
export interface Line {
  readonly outcome: Outcome;
  /** As an undo calls it. */
  readonly name: string;
  /** False for one that was stopped or failed: what it left, if anything, may or may not have been saved. */
  readonly isCertain: boolean;
  /** Numbers of the messages that the conversation holds by it: its own, and what it was told while it ran. */
  readonly prompts: readonly number[];
  readonly files: readonly number[];
}

interface Session {
  readonly id: SessionId;
  readonly before: SessionId | null;
  lines: readonly Line[];
  undone: readonly (readonly Line[])[];
  /** A turn that may not have been saved came after the last undo. */
  mayRedo: boolean;
  /** At least so many of the kept generations can be undone. */
  kept: number;
  isWhole: boolean;
  open: OpenAsk;
}

export interface ErasedSession {
  readonly id: SessionId;
  /** The erasure was interrupted or had to be repeated. */
  readonly wasCutOff: boolean;
}

export interface ReplayedChat {
  /** Where the conversation must point; null where nothing was said. */
  readonly session: SessionId | null;
  readonly lines: readonly Line[];
  /** Sessions that nothing may be left of. */
  readonly erased: readonly ErasedSession[];
  /** Where the group went. */
  readonly movedTo: readonly SessionKey[];
  /** Numbers that the conversation may hold besides. */
  readonly loose: ReadonlySet<number>;
}

/** Answered without an agent, and moves nothing. */
const isCommand = ({ turn }: Outcome): boolean => turn?.kind === 'command' || turn?.kind === 'move';

/** More than one attempt, or a fault that is no delay. */
const isStruck = ({ what, how, count }: CheckInput['history'][number]): boolean =>
  (what === 'fault' && how !== 'slow') || (what === 'received' && Number(count ?? 1) > 1);

export const isGathered = ({ turn }: Outcome): boolean => turn?.reply?.code === 'gathered';

export function replayChat(
  chat: readonly Outcome[],
  history: CheckInput['history'],
  findings: Findings,
): ReplayedChat {
  const { expect } = findings;
  const loose = looseOf(chat);
  const told = new Set(chat.filter(isGathered).map(({ number }) => number));
  const sessions = new Map<SessionId, Session>();
  let current: SessionId | null = null;
  const erased = new Map<SessionId, ErasedSession>();
  const movedTo: SessionKey[] = [];
  let lastUndo: { readonly from: SessionId; readonly to: SessionId } | null = null;

  const sessionOf = (id: SessionId, before: SessionId | null = null): Session => {
    const known = sessions.get(id);
    if (known) return known;
    const fresh: Session = {
      ...{ id, before, lines: [], undone: [], mayRedo: false, kept: 0, isWhole: true, open: null },
    };
    sessions.set(id, fresh);
    return fresh;
  };

  for (const outcome of inOrderOfCommits(chat, history)) {
    const { turn, number } = outcome;
    const { reply, sessionId } = turn ?? {};
    if (!turn || !reply || !sessionId || isGathered(outcome)) continue;
    const session = sessionOf(sessionId);
    const act = outcome.sent.message.act?.kind;
    expect(
      current === null || current === sessionId,
      'session',
      number,
      () => `It ran in ${sessionId}, while the conversation pointed at ${current}.`,
    );
    const wasErased = erased.has(sessionId);
    expect(!wasErased, 'erased', number, () => `It ran in ${sessionId}, which was forgotten.`);
    current = reply.movedTo ?? sessionId;
    if (act === 'forget' && outcome.answered) {
      const wasCutOff = history.filter((line) => line.message === number && isStruck(line)).length > 0;
      for (const id of sessions.keys()) erased.set(id, { id, wasCutOff });
      sessions.clear();
      current = null;
    }
    if (turn.kind === 'move') movedTo.push(turn.text as SessionKey);
    if (isCommand(outcome)) continue;
    if (act === 'new') {
      if (reply.movedTo) sessionOf(reply.movedTo, sessionId);
    } else if (act === 'undo' || act === 'redo') {
      if (reply.movedTo) {
        const right = act === 'undo' ? session.before : lastUndo?.to === sessionId ? lastUndo.from : null;
        expect(
          reply.movedTo === right,
          'undo',
          number,
          () => `${act} led to session ${reply.movedTo}, not to ${right}.`,
        );
        if (act === 'undo') lastUndo = { from: sessionId, to: reply.movedTo };
        const there = sessionOf(reply.movedTo);
        there.open = there.open && 'unknown';
      } else if (act === 'undo') undo(session, outcome, loose, findings);
      else redo(session, outcome, findings);
    } else agentTurn(session, outcome, { loose, told, chat }, findings);
  }
  checkTold(chat, told, expect);
  const lines = current === null ? [] : sessionOf(current).lines;
  return { session: current, lines, erased: [...erased.values()], movedTo, loose };
}

/** Who was asked to stop, failed, went on after a deadline, or was told to a running turn. */
function looseOf(chat: readonly Outcome[]): Set<number> {
  const loose = new Set<number>();
  for (const outcome of chat) {
    const { act, number } = outcome.sent.message;
    if (outcome.answered && !outcome.continued && !isGathered(outcome)) continue;
    loose.add(number);
    if (act?.kind === 'press') loose.add(act.of);
  }
  return loose;
}

/** The history has no line where the worker died right after the commit. */
function inOrderOfCommits(chat: readonly Outcome[], history: CheckInput['history']): readonly Outcome[] {
  const at = new Map<string, number>();
  for (const line of history)
    if (line.what === 'committed' && !at.has(String(line.turn))) at.set(String(line.turn), line.atMs);
  const whenOf = ({ turn }: Outcome) => at.get(String(turn?.turnId)) ?? turn?.reply?.fixedAtMs ?? 0;
  return [...chat].sort((a, b) => whenOf(a) - whenOf(b));
}

interface Known {
  readonly loose: ReadonlySet<number>;
  /** Numbers of what was told to running turns, until the turn that has it is found. */
  readonly told: Set<number>;
  readonly chat: readonly Outcome[];
}

function agentTurn(session: Session, outcome: Outcome, known: Known, findings: Findings): void {
  const { number, turn, answered, sent } = outcome;
  const act = sent.message.act;
  const reply = turn?.reply;
  if (!turn || !reply) return;
  let files: readonly number[] = [number];
  let own: readonly number[] = [number];
  if (act?.kind === 'press') {
    const ran = checkPress(session.open, outcome, findings);
    if (ran === null) {
      if (!answered) session.open = session.open && 'unknown';
      return;
    }
    session.open = null;
    own = [];
    files = ran === 'allowed' ? [act.of] : [];
  } else if (act?.kind === 'wake' && reply.code === 'question-open') {
    findings.expect(session.open !== null, 'ask', number, () => 'No question was open.');
    return;
  } else {
    session.open = opened(session.open, outcome);
    if (reply.asked) files = [];
  }
  const prompts = [...own];
  if (answered && !reply.asked) {
    const remembered = rememberedIn(reply.text);
    const before = session.lines.flatMap((line) => (line.isCertain ? line.prompts : []));
    const maybe = session.lines.flatMap((line) => line.prompts);
    const about = act?.kind === 'press' ? act.of : number;
    for (const each of remembered) {
      if (!known.told.delete(each) || maybe.includes(each)) continue;
      prompts.push(each);
    }
    checkMemory(outcome, remembered, { before, may: [...maybe, ...prompts, about], known }, findings);
  }
  session.lines = [...session.lines, { outcome, name: turn.text, isCertain: answered, prompts, files }];
  if (answered) {
    session.undone = [];
    session.mayRedo = false;
    if (session.kept === KEEP_GENERATIONS) session.isWhole = false;
    else session.kept += 1;
  } else {
    session.mayRedo = true;
    if (session.kept === KEEP_GENERATIONS) session.isWhole = false;
  }
}

const rememberedIn = (text: string): number[] =>
  [...(text.split('I remember')[1] ?? '').matchAll(/#m(\d+)/g)].map((found) => Number(found[1]));

interface Memory {
  readonly before: readonly number[];
  readonly may: readonly number[];
  readonly known: Known;
}

/** What a reply says the agent remembers: all that stands in its session, and nothing of elsewhere or of what was undone. */
function checkMemory(
  { number }: Outcome,
  remembered: readonly number[],
  { before, may, known }: Memory,
  { expect }: Findings,
): void {
  const list = (numbers: readonly number[]) => numbers.map((each) => `#m${each}`).join(' ');
  const missing = before.filter((each) => !remembered.includes(each));
  expect(missing.length === 0, 'memory', number, () => `It no longer knew ${list(missing)}.`);
  const chats = new Set(known.chat.map((each) => each.number));
  const foreign = remembered.filter((each) => !chats.has(each));
  expect(foreign.length === 0, 'apart', number, () => `It knew ${list(foreign)} of another chat.`);
  const left = remembered.filter((each) => chats.has(each) && !may.includes(each) && !known.loose.has(each));
  expect(
    left.length === 0,
    'left-behind',
    number,
    () => `It still knew ${list(left)}, undone or left behind.`,
  );
  const isTwice = remembered.length !== new Set(remembered).size;
  expect(!isTwice, 'transcript', number, () => 'It remembered a message twice.');
}

/** What was told to a running turn is remembered by it, unless that turn was stopped or failed. */
function checkTold(chat: readonly Outcome[], told: ReadonlySet<number>, expect: Findings['expect']): void {
  const mayBeLost = chat.some(({ answered, continued }) => !answered || continued);
  for (const { number } of chat.filter(isGathered)) {
    expect(
      mayBeLost || !told.has(number),
      'told',
      number,
      () => 'It was taken into a running turn, and no answer knows it.',
    );
  }
}

function undo(session: Session, outcome: Outcome, loose: ReadonlySet<number>, { expect }: Findings): void {
  const { turn, number, sent } = outcome;
  const { reply } = turn as TurnRecord;
  const { act } = sent.message;
  const wanted = act?.kind === 'undo' ? act.turns : 1;
  const possible = Math.max(0, session.isWhole ? session.kept : session.kept - 1);
  if (reply?.outcome !== 'ok') {
    expect(
      reply?.code !== 'nothing-to-undo' || wanted > possible,
      'undo',
      number,
      () => `It refused to undo ${wanted} of ${possible}.`,
    );
    return;
  }
  const names = [...(reply.text.split('. The conversation')[0] ?? '').matchAll(/“([^”]*)”/g)].map(
    ([, name]) => name,
  );
  expect(names.length === wanted, 'undo', number, () => `It undid ${names.length}, not ${wanted}.`);
  let left = session.lines.length;
  const wrong = names.filter((name) => {
    let at = left;
    while (at > 0 && session.lines[at - 1]?.name !== name && !session.lines[at - 1]?.isCertain) at--;
    if (session.lines[at - 1]?.name === name) {
      left = at - 1;
      return false;
    }
    // One that was cut off, whose rest has not run.
    return ![...loose].some((each) => name?.includes(`#m${each} `));
  });
  expect(
    wrong.length === 0,
    'undo',
    number,
    () => `It undid ${wrong.join(', ')}; what came last is ${session.lines.at(-1)?.name}.`,
  );
  session.undone = [...session.undone, session.lines.slice(left)];
  session.lines = session.lines.slice(0, left);
  session.kept = Math.max(0, session.kept - names.length);
  session.mayRedo = false;
  session.open = null;
}

function redo(session: Session, { turn, number }: Outcome, { expect }: Findings): void {
  const batch = session.undone.at(-1);
  if (turn?.reply?.outcome !== 'ok') {
    const isRight = turn?.reply?.code !== 'nothing-to-redo' || !batch || session.mayRedo;
    expect(isRight, 'undo', number, () => 'It refused to bring back what was undone.');
    return;
  }
  expect(batch !== undefined, 'undo', number, () => 'It brought back what nobody had undone.');
  if (!batch) return;
  session.undone = session.undone.slice(0, -1);
  session.lines = [...session.lines, ...batch];
  session.kept = Math.min(KEEP_GENERATIONS, session.kept + batch.filter(({ isCertain }) => isCertain).length);
  session.open = null;
}
