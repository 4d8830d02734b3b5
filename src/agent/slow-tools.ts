// Says of a tool that works for long that it still does, and for how long: a person who waits can tell a turn that
// hangs from one that is at work, and stop it. Nothing is ended here; time limits are the CLI's (see environment.ts).
import type { TurnEvent } from '../core/ports/channel.ts';

const EVERY_MS = 60_000;

export interface SlowTools {
  readonly progress: (event: TurnEvent) => void;
  close(): void;
}

export function reportSlowTools(progress: (event: TurnEvent) => void, everyMs = EVERY_MS): SlowTools {
  const atWork = new Map<string, NodeJS.Timeout>();
  const end = (id: string): void => {
    clearInterval(atWork.get(id));
    atWork.delete(id);
  };
  return {
    progress(event) {
      progress(event);
      if (event.type !== 'tool') return;
      end(event.id);
      if (event.state !== 'started') return;
      const since = performance.now();
      const timer = setInterval(() => {
        progress({ ...event, summary: `${event.summary} (for ${durationText(performance.now() - since)})` });
      }, everyMs);
      atWork.set(event.id, timer.unref());
    },
    close() {
      for (const id of [...atWork.keys()]) end(id);
    },
  };
}

function durationText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}
