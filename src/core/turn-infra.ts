// What the infrastructure of a chat's turns cost, as their timelines say: for `/cost`.
import type { SessionKey } from './ids.ts';
import type { SessionStore } from './ports.ts';

/** So many of the newest turns are looked at. */
const TURNS = 50;

/** One line; null where compute is not paid by use, or nothing was measured yet. */
export async function infraText(
  store: Pick<SessionStore, 'listTurns'>,
  sessionKey: SessionKey,
): Promise<string | null> {
  const { items } = await store.listTurns(sessionKey, { limit: TURNS });
  const costs = items.flatMap(({ timeline }) =>
    timeline?.infraUsd === undefined ? [] : [timeline.infraUsd],
  );
  if (costs.length === 0) return null;
  const mean = costs.reduce((all, usd) => all + usd, 0) / costs.length;
  const turns = costs.length === 1 ? 'of the last turn' : `a turn (the last ${costs.length})`;
  return `Infrastructure: about $${mean.toFixed(5)} ${turns}, beside the tokens`;
}
