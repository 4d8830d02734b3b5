// A conversation whose session somebody took to a computer of theirs (`hybrid-sessions pull`). Until it is brought back the
// chat says so and changes nothing, or it is told to go on here: then what is brought back later becomes a fork, if
// anything was said here meanwhile.
import { DEFAULT_TENANT } from './defaults.ts';
import type { TurnRequest } from './messages.ts';
import type { Away } from './ports.ts';
import type { Decision, RunningTurn } from './running-turn.ts';
import { unchanged } from './running-turn.ts';

/** Text of the command that goes on here although a copy is away. */
const HANDOFF_HERE = 'handoff here';

/** Turns that leave the session as it is. Any other would make the next generation, whoever began it. */
const LEAVES_ALONE: ReadonlySet<TurnRequest['kind']> = new Set([
  'new',
  'fork',
  'command',
  'move',
  'await-move',
]);

/** What a turn is while the session is away; null where that makes no difference. */
export function awayStep(running: RunningTurn): Decision | null {
  const { deps, request, head } = running;
  if (request.kind === 'command' && request.text === HANDOFF_HERE) return goOnHere(running);
  if (LEAVES_ALONE.has(request.kind)) return null;
  const away = deps.state.awayOf(head);
  return (
    away &&
    unchanged(running, { outcome: 'failed', code: 'session-away', text: awayText(away, request.kind) })
  );
}

function goOnHere(running: RunningTurn): Decision {
  const { deps, head } = running;
  const claim = deps.state.claim(head);
  if (!claim) return unchanged(running, { outcome: 'ok', text: 'This conversation is here. Just go on.' });
  const text =
    'We go on here. If anything is said here before the copy is pushed, that copy comes back as a conversation of its own.';
  return { baseGeneration: head.generation, ...claim, reply: { outcome: 'ok', text } };
}

function awayText(away: Away, kind: TurnRequest['kind']): string {
  const isWritten = kind !== 'wake';
  return [
    awaySince(away),
    `I did not ${isWritten ? 'answer this message' : 'do what was due now'}, so that neither side is lost.`,
    `It goes on here after \`hybrid-sessions push\` there${isWritten ? '; then send the message again' : ''}.`,
    'Or write `/handoff here` to go on here now, `/fork` for another conversation, `/new` for a fresh session.',
  ].join(' ');
}

/** '' for one that is not away. */
export function awaySince(away: Away | null): string {
  if (!away) return '';
  const since = new Date(away.sinceMs).toISOString().slice(0, 16).replace('T', ' ');
  return `This conversation is on somebody's computer since ${since} UTC.`;
}

/** The one line to paste. It holds ids only: who runs it needs the right to read the stores. */
export function handoffText({ deps, request, head }: RunningTurn): string {
  const away = deps.state.awayOf(head);
  if (away) return `${awaySince(away)} \`/handoff here\` goes on here.`;
  if (head.generation === 0) return 'Nothing has been said here yet, so there is nothing to take along.';
  const { tenant } = request.conversation;
  const options = [tenant === DEFAULT_TENANT ? '' : `--tenant ${tenant}`, deps.pullOptions ?? ''].filter(
    (option) => option !== '',
  );
  const line = ['npx hybrid-sessions pull', head.sessionId, ...options].join(' ');
  return [
    'Paste this where the project is; it needs the right to read the stored sessions:',
    `\`\`\`sh\n${line}\n\`\`\``,
    'It lays files and conversation onto that computer, and says how to go on there and how to bring it back.',
  ].join('\n\n');
}
