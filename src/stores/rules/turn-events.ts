// A turn's event log ends with its first `final`. A worker that stood still while another delivered the reply may
// append late; its events are dropped, so that nobody who watches sees two ends.
import type { TurnEvent } from '../../core/ports/channel.ts';

/** The events up to the first `final`, that one included. */
export function upToFinal(events: readonly TurnEvent[]): readonly TurnEvent[] {
  const at = events.findIndex(isFinal);
  return at === -1 ? events : events.slice(0, at + 1);
}

export function isFinal(event: TurnEvent | undefined): boolean {
  return event?.type === 'final';
}
