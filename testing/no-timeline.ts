// The part of a session state that goes back and forth, for fakes that keep one generation only.
import type { SessionState } from '../src/core/ports/execution.ts';

export const noTimeline = {
  lent: async () => new Set(),
  undoable: () => [],
  undo: () => null,
  redoable: () => [],
  redo: () => null,
  isBlank: () => false,
  awayOf: () => null,
  claim: () => null,
  branch: async () => null,
  agentSessionOf: ({ sessionId }) => sessionId,
} satisfies Partial<SessionState>;
