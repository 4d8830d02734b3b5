// `dlq list|show|replay|drop`: the dead letters, and what to do about each. The commands work on the data folder,
// whether a server is running or not; a running server's workers start at once on a replayed message.

import { shorten } from '../api/titles.ts';
import { systemClock } from '../core/clock.ts';
import { Gone, Invalid } from '../core/errors.ts';
import { type Tenant, tenantOf } from '../core/ids.ts';
import type { DeadLetter } from '../core/ports.ts';
import type { TurnRecord } from '../core/records.ts';
import { replayDeadLetter, replayPlan } from '../core/replay.ts';
import { supportId } from '../core/replies.ts';
import type { Stores } from '../local/stores.ts';
import { harmless } from '../text/harmless.ts';
import { noteAct } from './administrator.ts';
import type { CliContext, DataOptions } from './context.ts';
import { chatName, withStores } from './lookup.ts';

const WORDS = {
  'asked-again': 'asks the agent again, as a new turn',
  'sent-again': 'sends the reply that is there again, without asking the agent',
  resumed: 'goes on with the turn',
} as const;

export async function list(context: CliContext, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const views = [];
    for (const letter of await allLetters(stores)) views.push(await viewOf(stores, letter));
    if (options.json) return terminal.json({ dead_letters: views });
    if (views.length === 0) return terminal.note('No dead letters.');
    terminal.table(
      ['ID', 'SUPPORT ID', 'SET ASIDE (UTC)', 'CHAT', 'TURN', 'REASON', 'TEXT'],
      views.map((view) => [
        view.id,
        view.support_id,
        view.dead_at.slice(0, 16).replace('T', ' '),
        harmless(view.chat),
        view.turn_status ?? 'unknown',
        harmless(shorten(view.reason)),
        harmless(view.excerpt),
      ]),
    );
  });
}

export async function show(context: CliContext, name: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const letter = await findLetter(stores, name);
    const view = await viewOf(stores, letter);
    if (options.json) return terminal.json({ ...view, text: letter.request.text });
    terminal.line(`${terminal.style('bold', `dead letter ${view.id}`)}`);
    terminal.line(`chat        ${harmless(view.chat)}`);
    terminal.line(`reason      ${harmless(view.reason)}`);
    terminal.line(`support id  ${view.support_id}`);
    terminal.line(`turn        ${view.turn_id} (${view.turn_status ?? 'not in the ledger'})`);
    terminal.line(`received    ${view.received_at}`);
    terminal.line(`set aside   ${view.dead_at}, after ${view.receives} receives`);
    terminal.line(`replay      ${view.replay}`);
    terminal.line();
    terminal.line(`${terminal.style('cyan', '›')} ${harmless(letter.request.text)}`);
    if (view.reply) terminal.line(`  ${harmless(view.reply.text)}`);
  });
}

export async function replay(context: CliContext, name: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const letter = await findLetter(stores, name);
    const { how, turnId } = await replayDeadLetter({ ...stores, clock: systemClock }, letter);
    await noteAct(context, stores, 'dead-letter-replayed', tenantOfLetter(letter), { turn: turnId, how });
    if (options.json) return terminal.json({ replayed: letter.id, how, turn_id: turnId });
    terminal.line(`Replayed ${letter.id}: ${WORDS[how]} (${turnId}).`);
  });
}

export async function drop(context: CliContext, name: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const letter = await findLetter(stores, name);
    const { id, request } = letter;
    await stores.queue.deadLetters.drop(id);
    await noteAct(context, stores, 'dead-letter-dropped', tenantOfLetter(letter), { turn: request.turnId });
    if (options.json) terminal.json({ dropped: id, turn_id: request.turnId });
    else terminal.line(`Dropped ${id}. Its turn stays in the ledger.`);
  });
}

async function viewOf({ store }: Stores, letter: DeadLetter) {
  const { request } = letter;
  const turn = await store.getTurn(tenantOf(request.sessionKey), request.turnId);
  return {
    id: letter.id,
    chat: placeName(letter),
    reason: letter.reason,
    support_id: supportId(request.turnId),
    turn_id: request.turnId,
    turn_status: turn?.status ?? null,
    reply: turn?.reply ? { outcome: turn.reply.outcome, code: turn.reply.code, text: turn.reply.text } : null,
    excerpt: shorten(request.text),
    receives: letter.receiveCount,
    received_at: new Date(request.receivedAtMs).toISOString(),
    dead_at: new Date(letter.deadAtMs).toISOString(),
    replay: planWords(letter, turn),
  };
}

function planWords(letter: DeadLetter, turn: TurnRecord | null): string {
  try {
    return WORDS[replayPlan(letter, turn)];
  } catch (error) {
    return `refused: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A letter whose body cannot be read may name no conversation. */
function placeName({ request }: DeadLetter): string {
  try {
    return chatName(request.sessionKey);
  } catch {
    return '(unreadable)';
  }
}

/** A letter whose body cannot be read belongs to nobody that is known. */
function tenantOfLetter({ request }: DeadLetter): Tenant | null {
  return request.conversation.tenant === '' ? null : tenantOf(request.sessionKey);
}

async function allLetters({ queue }: Stores): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await queue.deadLetters.list({ limit: 200, ...(cursor && { cursor }) });
    letters.push(...page.items);
    cursor = page.cursor;
  }
  return letters;
}

/** By the letter's id, its turn's id, or the support id that the person was shown. */
async function findLetter(stores: Stores, name: string): Promise<DeadLetter> {
  const letters = await allLetters(stores);
  const byId = letters.find(({ id }) => id === name);
  if (byId) return byId;
  const found = letters.filter(({ request: { turnId } }) => turnId === name || supportId(turnId) === name);
  if (found.length > 1) {
    throw new Invalid('ambiguous', `"${name}" names ${found.length} dead letters.`, {
      advice: `Use one of their ids: ${found.map(({ id }) => id).join(', ')}.`,
    });
  }
  if (found[0]) return found[0];
  throw new Gone('no-dead-letter', `There is no dead letter "${name}".`, {
    advice: '`hybrid-sessions dlq list` shows all of them.',
  });
}
