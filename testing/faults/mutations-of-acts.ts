// Mutations that break what people do besides writing: presses, what is told to a running turn, undo.
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionId } from '../../src/core/ids.ts';
import type { Json } from '../../src/core/messages.ts';
import type { AgentRun, SessionStore } from '../../src/core/ports.ts';
import type { SessionHead } from '../../src/core/records.ts';
import type { WorkerParts } from '../worker-parts.ts';

/** `press-twice`: what was decided stays open. */
export function forgettingAnswers(store: SessionStore): SessionStore {
  const asked = new Map<SessionId, Json>();
  return {
    ...store,
    async begin(input) {
      const begun = await store.begin(input);
      const { sessionId, consent } = begun.head;
      const open = consent && typeof consent === 'object' && 'open' in consent ? consent.open : null;
      if (open) asked.set(sessionId, open);
      return begun;
    },
    async commit(input) {
      const open = asked.get(input.lease.sessionId) as Record<string, Json> | undefined;
      const { reply, consent, generation } = input;
      if (!reply.answered || !open || !consent) return await store.commit(input);
      const still = { ...(consent as Record<string, Json>), open: { ...open, generation } };
      return await store.commit({ ...input, consent: still });
    },
  };
}

/** `move-anew`: the group that became a supergroup begins anew there. */
export function movingNothing(store: SessionStore): SessionStore {
  return { ...store, commit: ({ moveTo: _, ...input }) => store.commit(input) };
}

/** `lose-steering`: what the agent is to be told counts as told. */
export function withoutTelling({ steering, ...run }: AgentRun): AgentRun {
  if (!steering) return run;
  const listen = () => steering.listen(({ turnId }) => steering.took(turnId));
  return { ...run, steering: { listen, took() {} } };
}

/** `undo-keeps-files`: the conversation goes back, what was made in it stays. */
export function undoingWordsOnly(deps: WorkerParts): WorkerParts {
  const before = new Map<SessionId, SessionHead>();
  return {
    ...deps,
    state: {
      ...deps.state,
      undo(head, turns) {
        const step = deps.state.undo(head, turns);
        if (step) before.set(head.sessionId, head);
        return step;
      },
      async restore(head, directory) {
        const restored = await deps.state.restore(head, directory);
        const files = before.get(head.sessionId);
        if (!files) return restored;
        before.delete(head.sessionId);
        const root = join(directory.root, 'tmp', 'before');
        const place = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
        for (const path of [place.config, place.workspace]) mkdirSync(path, { recursive: true });
        await deps.state.restore(files, place);
        cpSync(place.workspace, directory.workspace, { recursive: true });
        return restored;
      },
    },
  };
}
