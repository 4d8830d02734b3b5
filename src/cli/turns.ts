// `turns list|show`: where the time of a conversation's turns went. They work directly on the data folder or an installation
// on AWS, whether a server is running on it or not.
import { timelineView } from '../api/timeline-view.ts';
import { shorten } from '../api/titles.ts';
import { Gone, Invalid } from '../core/errors.ts';
import type { SessionStore } from '../core/ports.ts';
import type { TurnRecord } from '../core/records.ts';
import type { HostFacts, Timeline } from '../core/timeline.ts';
import { harmless } from '../text/harmless.ts';
import type { CliContext, DataOptions } from './context.ts';
import { findConversation, tenantOption, withStores } from './lookup.ts';
import { bytesText } from './terminal.ts';
import { msText, waterfall } from './waterfall.ts';

/** Where a terminal does not say how wide it is. */
const COLUMNS = 100;

export async function list(
  context: CliContext,
  chat: string,
  options: DataOptions & { limit: number },
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ store }) => {
    const { head } = await findConversation(store, chat, tenantOption(options));
    const { items, cursor } = await store.listTurns(head.sessionKey, { limit: Math.min(options.limit, 200) });
    if (options.json) {
      const turns = items.map((turn) => ({
        turn_id: turn.turnId,
        status: turn.status,
        timeline: turn.timeline && timelineView(turn, turn.timeline),
      }));
      return terminal.json({ turns, more: cursor !== null });
    }
    if (items.length === 0) return terminal.note('No turns yet.');
    terminal.table(
      ['TURN', 'RECEIVED (UTC)', 'STATUS', 'TOOK', 'FIRST TEXT', 'HOST', 'SAID'],
      items.map((turn) => [
        turn.turnId,
        new Date(turn.receivedAtMs).toISOString().slice(0, 19).replace('T', ' '),
        turn.status,
        turn.timeline ? msText(turn.timeline.totalMs) : '-',
        turn.timeline?.firstTextMs == null ? '-' : msText(turn.timeline.firstTextMs),
        turn.timeline?.host?.start ?? '-',
        turn.kind === 'message' ? harmless(shorten(turn.text)) : `/${turn.kind}`,
      ]),
    );
    if (cursor) terminal.note('There are older ones; --limit shows them.');
  });
}

/** `id`: of a turn, or its beginning; the newest closed one when left out. */
export async function show(
  context: CliContext,
  chat: string,
  id: string | undefined,
  options: DataOptions,
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ store }) => {
    const { head } = await findConversation(store, chat, tenantOption(options));
    const { turn, timeline } = await findTimed(store, head.sessionKey, id);
    if (options.json) return terminal.json(timelineView(turn, timeline));
    const { attempt, totalMs, firstTextMs, host, more, infraUsd } = timeline;
    terminal.line(terminal.style('bold', turn.turnId));
    terminal.line(`received    ${new Date(turn.receivedAtMs).toISOString()}`);
    terminal.line(`status      ${turn.status}${attempt > 1 ? `, in attempt ${attempt}` : ''}`);
    terminal.line(
      `took        ${msText(totalMs)}${firstTextMs === null ? '' : `, first words after ${msText(firstTextMs)}`}`,
    );
    if (host) terminal.line(`host        ${hostText(host)}`);
    if (infraUsd !== undefined)
      terminal.line(`cost        $${infraUsd.toFixed(5)} of infrastructure, without tokens`);
    terminal.line();
    const columns = process.stdout.columns ?? COLUMNS;
    for (const { label, time, bar } of waterfall(timeline, columns)) {
      terminal.line(`${harmless(label)}  ${time}  ${terminal.style('cyan', bar)}`);
    }
    if (more !== undefined) terminal.note(`${more} more model calls and tools are not kept.`);
  });
}

function hostText({ start, waitedMs, restoredBytes, savedBytes, peakMemoryBytes }: HostFacts): string {
  const ways = {
    hot: 'the live one of the turn before',
    spare: 'a spare one stood ready',
    new: `a new one, waited for ${msText(waitedMs)}`,
  };
  const memory = peakMemoryBytes === undefined ? '' : `, at most ${bytesText(peakMemoryBytes)} of memory`;
  return `${ways[start]}; restored ${bytesText(restoredBytes)}, saved ${bytesText(savedBytes)}${memory}`;
}

async function findTimed(
  store: SessionStore,
  key: TurnRecord['sessionKey'],
  id: string | undefined,
): Promise<{ readonly turn: TurnRecord; readonly timeline: Timeline }> {
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listTurns(key, { limit: 200, ...(cursor && { cursor }) });
    // Newest last in a page, and the newest page first.
    const found = page.items
      .toReversed()
      .filter((turn) => (id === undefined ? turn.timeline !== null : turn.turnId.startsWith(id)));
    const [turn, another] = found;
    if (turn && another && id !== undefined) {
      throw new Invalid('ambiguous', `"${id}" begins the ids of ${found.length} turns.`, {
        advice: 'Give more of it.',
      });
    }
    if (turn?.timeline) return { turn, timeline: turn.timeline };
    if (turn) {
      throw new Gone('no-timeline', `The turn ${turn.turnId} has no timeline: it is ${turn.status}.`, {
        advice: 'It is written when the reply is out. Turns of versions before this one have none.',
      });
    }
    cursor = page.cursor;
  }
  throw new Gone(
    'unknown-turn',
    id === undefined ? 'No turn of this chat has ended.' : `There is no turn "${id}".`,
    {
      advice: '`hybrid-sessions turns list` shows them.',
    },
  );
}
