// Notes of channels in memory: for tests, and for one process that sends by itself.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ChannelNote, ChannelNotes } from '../../core/ports/notes.ts';

export function createMemoryNotes(options: { readonly clock?: Pick<Clock, 'now'> } = {}): ChannelNotes {
  const { clock = systemClock } = options;
  const kept = new Map<string, ChannelNote & { readonly untilMs: number }>();

  function live(name: string): ChannelNote | null {
    const note = kept.get(name);
    if (!note || note.untilMs <= clock.now()) return null;
    return { value: structuredClone(note.value), version: note.version };
  }

  return {
    async read(name) {
      return live(name);
    },
    async write(name, value, { over, keepSec }) {
      if ((live(name)?.version ?? 0) !== over) return false;
      kept.set(name, {
        value: structuredClone(value),
        version: over + 1,
        untilMs: clock.now() + keepSec * 1_000,
      });
      return true;
    },
  };
}
