// A model that refuses a request for what is in it, and would refuse it again: told apart from outages and credentials,
// and put into words that leave the person a way on.
import type { ObservedTurn } from './turn-watcher.ts';

export interface Refusal {
  readonly kind: 'too-long' | 'content';
  /** As the model's server put it, by way of the CLI. */
  readonly message: string;
}

const TOO_LONG =
  /too (?:long|large|many (?:total )?(?:text bytes|tokens))|(?:exceed|over|beyond)\w*\b.*\b(?:maximum|limit|size|window|length)|context (?:length|window|limit)/i;

export function refusalOf({ result, modelError }: ObservedTurn): Refusal | null {
  if (result?.subtype !== 'success' || !result.is_error) return null;
  const status = result.api_error_status ?? null;
  const kind = modelError?.kind ?? 'unknown';
  if (kind !== 'invalid_request' && kind !== 'unknown') return null;
  if (status !== 400 && status !== 413 && status !== 422) return null;
  const message = modelError?.text || result.result;
  return { kind: status === 413 || TOO_LONG.test(message) ? 'too-long' : 'content', message };
}

/** What the person can do, each of it a thing that works from here. */
export function waysOn({ kind }: Refusal, compactionFailed: boolean): string {
  const ways = [
    '`/new` starts a fresh session and leaves this one as it is.',
    ...(kind === 'too-long' && compactionFailed
      ? ['`/compact` tries again to put a summary in the place of what was said.']
      : []),
    ...(kind === 'content'
      ? ['Writing something else goes on without what was refused.', '`/drop` takes it out at once.']
      : []),
    'The operator can go back to an earlier state with `hybrid-sessions sessions repair`.',
  ];
  return `What you can do:\n${ways.map((way) => `- ${way}`).join('\n')}`;
}
