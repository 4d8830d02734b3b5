// Checks the result of a run: what each simulated user sees in their chat, and what is stored. It reads the stores
// directly. It reads the history only to know which faults were injected (a killed agent may answer that it was
// killed).
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { isCommitted, type Reply } from '../../src/core/records.ts';
import { NEW_SESSION_TEXT, supportId } from '../../src/core/replies.ts';
import { checkChat } from './check-chat.ts';
import { checkHosts } from './check-hosts.ts';
import type { CheckInput, Outcome } from './check-input.ts';
import { checkState } from './check-state.ts';
import { createFindings, type Findings } from './findings.ts';
import { canaryOf, type PlannedMessage } from './planned.ts';
import { type ErasedSession, replayChat } from './replay-chat.ts';
import { wakeEntry } from './sent.ts';
import { wakeUps } from './woken-turns.ts';

export async function check(input: CheckInput): Promise<
  Findings & {
    readonly leftovers: number;
    readonly orphans: number;
    readonly outcomes: readonly Outcome[];
  }
> {
  const findings = createFindings();
  const outcomes = new Map<number, Outcome>();
  const woken = await wakeUps(input.ports.store, input.sent, input.bot.id);
  for (const { message, turns } of woken)
    findings.expect(
      turns.length === 1,
      'once-in',
      message.number,
      () => `It was due once, and woke ${turns.length} times.`,
    );
  const entries = woken.flatMap(({ message, turns }) =>
    turns.slice(0, 1).map((turn) => wakeEntry(message, turn)),
  );
  const everything = { ...input, sent: [...input.sent, ...entries] };
  for (const sent of everything.sent) {
    const stored = await input.ports.store.getTurn(DEFAULT_TENANT, sent.turnId);
    if (sent.beforeErased)
      findings.expect(stored === null, 'erased', sent.message.number, () => 'Its turn is still there.');
    const turn = stored ?? sent.beforeErased ?? null;
    const number = sent.message.number;
    outcomes.set(number, {
      sent,
      number,
      turn,
      answered: turn?.reply?.outcome === 'ok',
      continued: input.history.some(
        (line) => line.what === 'received' && line.message === number && Number(line.part) > 0,
      ),
    });
  }
  for (const outcome of outcomes.values()) {
    checkTurn(outcome, input, [...outcomes.values()], findings);
    await checkEvents(outcome, input, findings);
  }
  checkModel(everything, findings);
  checkFences(everything, findings);
  let leftovers = 0;
  let orphans = 0;
  const erased: ErasedSession[] = [];
  for (const chat of Map.groupBy(outcomes.values(), ({ sent }) => sent.message.chat).values()) {
    leftovers += checkChat(chat, input.bot, findings);
    const replayed = replayChat(chat, input.history, findings);
    erased.push(...replayed.erased);
    orphans += await checkState(chat, replayed, input, findings);
  }
  await checkQueue(input, outcomes, findings);
  await checkHosts(everything, erased, findings);
  return Object.assign(findings, { leftovers, orphans, outcomes: [...outcomes.values()] });
}

function checkTurn(
  outcome: Outcome,
  { history }: CheckInput,
  all: readonly Outcome[],
  { expect }: Findings,
): void {
  const { sent, number, turn } = outcome;
  const { acknowledgedAtMs } = sent;
  expect(
    acknowledgedAtMs !== null,
    'acknowledged',
    number,
    () => 'It was never acknowledged, however often it was sent.',
  );
  if (turn === null) {
    expect(false, 'one-reply', number, () => 'There is no such turn in the ledger.');
    return;
  }
  expect(turn.status === 'delivered', 'settled', number, () => `Its turn is left ${turn.status}.`);
  const { reply } = turn;
  if (!isCommitted(turn) || reply === null) return;
  const struck = history.filter((line) => line.message === number && line.what === 'fault');
  const attempts = history.filter(
    (line) => line.message === number && line.what === 'begun' && line.status === 'running',
  );
  if (reply.outcome === 'ok') {
    const right = isAnswer(sent.message, reply);
    expect(right, 'answer', number, () => `The reply is not the answer to it: ${reply.text}`);
  } else if (reply.outcome === 'stopped') {
    expect(mayBeStopped(outcome, history, all), 'answer', number, () => 'Stopped, and nobody wanted that.');
  } else if (isRefusal(sent.message, reply)) {
    return;
  } else if (reply.code === 'gave-up') {
    const excused = attempts.length > 3 && struck.some(({ how }) => how !== 'slow');
    expect(
      excused,
      'answer',
      number,
      () => `Given up after ${attempts.length} attempts and ${struck.length} faults.`,
    );
  } else {
    expect(false, 'answer', number, () => `It failed for no reason: ${reply.code} ${reply.text}`);
  }
  if (reply.outcome === 'failed') {
    const honest = reply.text.includes(supportId(turn.turnId));
    expect(honest, 'honest', number, () => 'A failure without its support id.');
  }
}

/** Whether it is what such a message gets; replay-chat.ts holds it against what stands in the chat. */
function isAnswer({ number, chat, act }: PlannedMessage, reply: Reply): boolean {
  const noted = (about: number, word = 'Noted') =>
    reply.text.startsWith(`${word} #m${about} for ${canaryOf(chat)}.`);
  switch (act?.kind) {
    case 'stop':
      return act.text ? noted(number) : reply.text === 'What came before is stopped.';
    case 'btw':
      return reply.code === 'gathered' || noted(number);
    case 'undo':
      return reply.text.startsWith('Undone: ') || reply.text.startsWith('The new session is undone.');
    case 'redo':
      return (
        reply.text.startsWith('Back again: ') || reply.text.startsWith('This is the later session again.')
      );
    case 'new':
      return reply.text === NEW_SESSION_TEXT;
    case 'forget':
      return reply.text.startsWith('Forgotten: ');
    case 'migrate':
      return reply.text === '';
    case 'ask':
      return reply.asked?.length === 1;
    case 'press':
      return reply.code !== undefined || noted(act.of) || noted(act.of, 'Left out');
    default:
      return noted(number);
  }
}

const isRefusal = ({ act }: PlannedMessage, { code }: Reply): boolean =>
  (act?.kind === 'wake' && code === 'question-open') ||
  (act?.kind === 'undo' && code === 'nothing-to-undo') ||
  (act?.kind === 'redo' && code === 'nothing-to-redo');

/** Somebody stopped what came before, or undid what was cut off. */
function mayBeStopped(
  { sent, number, continued }: Outcome,
  history: CheckInput['history'],
  all: readonly Outcome[],
): boolean {
  const said = history.filter(({ what }) => what === 'said');
  const at = said.findIndex(({ message }) => message === number);
  const chatOf = new Map(all.map((each) => [each.number, each.sent.message.chat]));
  return said
    .slice(at + 1)
    .some(
      ({ message, act, chat = chatOf.get(Number(message)) }) =>
        chat === sent.message.chat && (act === 'stop' || (continued && (act === 'undo' || act === 'new'))),
    );
}

/** Checks that a watcher of the turn over HTTP sees exactly one `final` event. */
async function checkEvents(
  { sent, number, turn }: Outcome,
  { ports }: CheckInput,
  { expect }: Findings,
): Promise<void> {
  // What a running turn took with it is answered there.
  if (sent.message.channel !== 'http' || turn === null || turn.reply?.code === 'gathered') return;
  if (sent.beforeErased) return;
  const logged = await ports.events.read(turn.tenant, turn.turnId, 0, { waitMs: 0 });
  const finals = logged.filter(({ event }) => event.type === 'final').map(({ event }) => event);
  const first = finals[0];
  const same = first?.type === 'final' && first.reply.text === turn.reply?.text;
  expect(finals.length === 1 && same, 'one-reply', number, () => `${finals.length} final events.`);
}

/** Checks that the model is not called after the commit, except by a worker that began before and was paused. */
function checkModel({ history, modelCalls, sent }: CheckInput, { expect }: Findings): void {
  const committed = new Map<string, number>();
  for (const line of history) {
    if (line.what === 'committed' && !committed.has(String(line.turn)))
      committed.set(String(line.turn), Number(line.fence));
  }
  const known = new Set<string>(sent.map(({ turnId }) => turnId));
  for (const { message, turnId } of sent) {
    const fence = committed.get(turnId) ?? Number.POSITIVE_INFINITY;
    const late = [
      ...history.filter(
        (line) => line.what === 'agent-run' && line.turn === turnId && Number(line.fence) > fence,
      ),
      ...modelCalls.filter((call) => call.turn === turnId && call.fence > fence),
    ];
    expect(
      late.length === 0,
      'once-out',
      message.number,
      () => `The agent ran again after the commit (${late.length} signs of it).`,
    );
  }
  const strangers = modelCalls.filter(({ turn }) => !known.has(turn));
  expect(
    strangers.length === 0,
    'once-in',
    null,
    () => `${strangers.length} model calls for turns that nobody asked for.`,
  );
}

/** Checks that each turn was committed by the worker that was granted the lease in its record. */
function checkFences({ history, sent }: CheckInput, { expect }: Findings): void {
  for (const { message, turnId } of sent) {
    const lines = history.filter((line) => line.turn === turnId);
    for (const commit of lines.filter(({ what }) => what === 'committed')) {
      const granted = lines.some(
        ({ what, who, fence }) => what === 'begun' && who === commit.who && fence === commit.fence,
      );
      expect(
        granted,
        'fenced',
        message.number,
        () => `${commit.who} committed under fence ${String(commit.fence)}, which it was not granted.`,
      );
    }
  }
}

async function checkQueue(
  { ports, history }: CheckInput,
  outcomes: ReadonlyMap<number, Outcome>,
  { expect }: Findings,
): Promise<void> {
  const left = await ports.unacknowledged();
  expect(left === 0, 'queue', null, () => `${left} messages are left in the queue.`);
  let cursor: string | undefined;
  do {
    const page = await ports.queue.deadLetters.list({
      limit: 200,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const letter of page.items) {
      const outcome = [...outcomes.values()].find(({ sent }) => sent.turnId === letter.request.turnId);
      const told = outcome?.turn?.reply?.code === 'gave-up';
      expect(
        told,
        'dead-letter',
        outcome?.number ?? null,
        () => `A dead letter without an honest reply: ${letter.reason}`,
      );
    }
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  const crashed = history.filter((line) => line.what === 'exit' && line.code !== 0 && line.code !== null);
  expect(
    crashed.length === 0,
    'process',
    null,
    () => `${crashed.length} processes ended by themselves with an error.`,
  );
}
