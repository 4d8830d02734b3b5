// `sessions undo|redo|fork`: the same steps as in the chat, taken by an operator on the stored session itself, whether a
// server is running or not. Each says first what it will change. A session in which a turn runs is left alone.
import { randomUUID } from 'node:crypto';
import { Conflict, Invalid } from '../core/errors.ts';
import { newSessionId } from '../core/ids.ts';
import type { TimelineStep, TurnMark } from '../core/ports.ts';
import type { Lease, SessionHead } from '../core/records.ts';
import {
  FORKED_NOTHING,
  forkedTo,
  NOTHING_TO_REDO,
  nothingToUndo,
  redoneText,
  undoneText,
} from '../core/replies.ts';
import type { Stores } from '../local/stores.ts';
import { harmless } from '../text/harmless.ts';
import { noteAct } from './administrator.ts';
import { confirm } from './confirm.ts';
import type { CliContext, DataOptions } from './context.ts';
import { chatName, findConversation, httpKey, tenantOption, withStores } from './lookup.ts';

const LEASE_MS = 60_000;

export interface StepOptions extends DataOptions {
  readonly yes?: boolean;
}

export async function undo(
  context: CliContext,
  chat: string,
  turns: number,
  options: StepOptions,
): Promise<void> {
  await step(context, chat, options, 'session-undone', {
    find: ({ state }, head) => {
      const found = state.undo(head, turns);
      if (found) return found;
      throw refusal(nothingToUndo(state.undoable(head).length, false));
    },
    ask: (marks) => `Undo ${marks}?`,
    done: undoneText,
  });
}

export async function redo(context: CliContext, chat: string, options: StepOptions): Promise<void> {
  await step(context, chat, options, 'session-redone', {
    find: ({ state }, head) => {
      const found = state.redo(head);
      if (found) return found;
      throw refusal(NOTHING_TO_REDO);
    },
    ask: (marks) => `Bring back ${marks}?`,
    done: redoneText,
  });
}

interface Step {
  readonly find: (stores: Stores, head: SessionHead) => TimelineStep;
  readonly ask: (turns: string) => string;
  readonly done: (step: TimelineStep) => string;
}

async function step(
  context: CliContext,
  chat: string,
  options: StepOptions,
  action: 'session-undone' | 'session-redone',
  { find, ask, done }: Step,
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const seen = (await findConversation(stores.store, chat, tenantOption(options))).head;
    const planned = find(stores, seen);
    if (!options.yes) await confirm(context, ask(namesOf(planned.turns)), 'Nothing was changed.');
    const { generation } = await leased(stores, seen, async (lease, head) => {
      const { generation, state } = planned;
      await stores.store.advance({ lease, baseGeneration: head.generation, generation, state });
      return planned;
    });
    await noteAct(context, stores, action, seen.tenant, { session: seen.sessionId, generation });
    const turns = planned.turns.map(({ id, text }) => ({ turn_id: id, text }));
    if (options.json) terminal.json({ session_id: seen.sessionId, generation, turns });
    else terminal.line(harmless(done(planned)));
  });
}

export async function fork(
  context: CliContext,
  chat: string,
  to: string,
  options: DataOptions,
): Promise<void> {
  const { terminal } = context;
  if (!/^[A-Za-z0-9._~-]{1,128}$/.test(to)) {
    throw new Invalid('usage', 'A chat name is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -');
  }
  await withStores(context, options, async (stores) => {
    const { store, state, retentionSec } = stores;
    const seen = (await findConversation(store, chat, tenantOption(options))).head;
    const sessionKey = httpKey(to, options.tenant);
    if (await store.getMapping(sessionKey)) {
      throw new Conflict('chat-exists', `The chat ${chatName(sessionKey)} is here already.`, {
        advice: 'Give the fork another name.',
      });
    }
    const sessionId = newSessionId();
    await leased(stores, seen, async (lease, head) => {
      const both = await state.branch(head, sessionId);
      if (!both) throw refusal(FORKED_NOTHING);
      const { generation } = both;
      // From here on the session's packs count as shared; only then does anybody else need them.
      await store.advance({ lease, baseGeneration: head.generation, generation, state: both.state });
      await store.adopt({ sessionKey, sessionId, generation, state: both.branch, retentionSec });
    });
    await noteAct(context, stores, 'session-forked', seen.tenant, {
      session: seen.sessionId,
      fork: sessionId,
    });
    if (options.json) terminal.json({ forked: seen.sessionId, session_id: sessionId, chat: to });
    else terminal.line(forkedTo(to));
  });
}

/** Conflict('session-changed') when a turn came between looking and leasing. */
async function leased<T>(
  { store }: Stores,
  { tenant, sessionId, generation }: SessionHead,
  work: (lease: Lease, head: SessionHead) => Promise<T>,
): Promise<T> {
  const owner = `operator-${randomUUID()}`;
  const { lease, head } = await store.lease({ tenant, sessionId, owner, leaseMs: LEASE_MS });
  try {
    if (head.generation === generation) return await work(lease, head);
    throw new Conflict('session-changed', 'A turn changed the session meanwhile; nothing was done.', {
      advice: 'Run it again.',
    });
  } finally {
    await store.release(lease);
  }
}

function namesOf(turns: readonly TurnMark[]): string {
  return turns.map(({ text }) => `“${harmless(text)}”`).join(', ');
}

function refusal({ code, text }: { readonly code: string; readonly text: string }): Conflict {
  return new Conflict(code, text);
}
