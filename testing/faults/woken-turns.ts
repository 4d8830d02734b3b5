// The wake-ups that a run has to have come to: one for each message at which the agent scheduled one, and answered.
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import type { SessionKey } from '../../src/core/ids.ts';
import type { SessionStore } from '../../src/core/ports.ts';
import type { TurnRecord } from '../../src/core/records.ts';
import { numberIn, type PlannedMessage } from './planned.ts';
import { keysOf, type Sent } from './sent.ts';

export interface WokenTurns {
  /** As nobody writes it. */
  readonly message: PlannedMessage;
  /** There must be one. */
  readonly turns: readonly TurnRecord[];
}

type Lines = Pick<SessionStore, 'getTurn' | 'listTurns'>;

export const isClosed = ({ status }: Pick<TurnRecord, 'status'>): boolean =>
  status === 'delivered' || status === 'undeliverable';

export async function wakeUps(store: Lines, sent: readonly Sent[], botId: number): Promise<WokenTurns[]> {
  const all: WokenTurns[] = [];
  for (const each of sent) {
    const { message, turnId } = each;
    const { act, chat, channel } = message;
    if (act?.kind !== 'schedule') continue;
    const turn = await store.getTurn(DEFAULT_TENANT, turnId);
    if (turn?.reply?.outcome !== 'ok') continue;
    const keys = keysOf(each, botId);
    const lines = (await Promise.all([...new Set(keys)].map((key) => linesOf(store, key)))).flat();
    const turns = lines.filter(({ kind, text }) => kind === 'wake' && numberIn(text) === act.wake);
    const timing = { pauseMs: 0, duplicates: 0, againAfterMs: null };
    const wake = { kind: 'wake', of: message.number } as const;
    all.push({ message: { number: act.wake, chat, channel, ...timing, act: wake }, turns });
  }
  return all;
}

export async function linesOf(
  store: Pick<SessionStore, 'listTurns'>,
  key: SessionKey,
): Promise<TurnRecord[]> {
  const turns: TurnRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.listTurns(key, { limit: 200, ...(cursor === undefined ? {} : { cursor }) });
    turns.push(...page.items);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return turns;
}
