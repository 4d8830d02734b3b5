// `sessions repair`: when a session's newest generation cannot be restored, the newest restorable one is committed
// again as the next generation. The command first explains what is wrong and what it would do. Then, under a lease, it
// does that and deletes leftover objects.
import { randomUUID } from 'node:crypto';
import { systemClock } from '../core/clock.ts';
import { Conflict, Corrupt, Invalid } from '../core/errors.ts';
import type { SessionHead } from '../core/records.ts';
import type { Stores } from '../local/stores.ts';
import { repairedState } from '../state/record.ts';
import { findOrphans, type StateReport, verifyState } from '../state/verify.ts';
import { harmless } from '../text/harmless.ts';
import { noteAct } from './administrator.ts';
import { confirm } from './confirm.ts';
import type { CliContext, DataOptions } from './context.ts';
import { chatName, findConversation, tenantOption, withStores } from './lookup.ts';
import { bytesText } from './terminal.ts';

const LEASE_MS = 60_000;

export interface RepairOptions extends DataOptions {
  readonly generation?: number;
  readonly yes?: boolean;
}

interface Plan {
  readonly head: SessionHead;
  readonly report: StateReport;
  /** The generation whose files become the next one; null when the newest generation stays. */
  readonly restoreFrom: number | null;
  readonly givenUp: readonly number[];
  readonly leftovers: { readonly objects: number; readonly bytes: number };
}

export async function repair(context: CliContext, chat: string, options: RepairOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const { head } = await findConversation(stores.store, chat, tenantOption(options));
    const plan = await makePlan(stores, head, options.generation);
    if (!options.json) explain(context, plan);
    const due = plan.restoreFrom !== null || plan.leftovers.objects > 0;
    if (due && !options.yes) {
      if (options.json) terminal.json({ ...planView(plan), repaired: false });
      await confirm(context, 'Do this?', 'Nothing was changed.');
    }
    const generation = due ? await carryOut(stores, plan) : head.generation;
    if (due) {
      await noteAct(context, stores, 'session-repaired', head.tenant, {
        session: head.sessionId,
        generation,
      });
    }
    if (options.json) terminal.json({ ...planView(plan), generation, repaired: due });
    else if (due)
      terminal.line(`Done. The session is at generation ${generation} and can be read back whole.`);
  });
}

async function makePlan(stores: Stores, head: SessionHead, wanted: number | undefined): Promise<Plan> {
  const report = await verifyState(stores.objects, head);
  const sound = report.generations.filter(({ restorable }) => restorable).map(({ generation }) => generation);
  const newest = report.generations.at(-1)?.generation;
  const target = wanted ?? sound.at(-1);
  const damaged = report.problems.length > 0 || (head.generation > 0 && newest === undefined);
  if (target === undefined) {
    if (!damaged)
      return { head, report, restoreFrom: null, givenUp: [], leftovers: { objects: 0, bytes: 0 } };
    const why = report.problems[0]?.message ?? 'Its head names no state.';
    throw new Corrupt('nothing-restorable', `No kept generation of this session can be restored. ${why}`, {
      advice: 'Put the data folder back from a backup, or erase the conversation.',
    });
  }
  if (!sound.includes(target)) {
    throw new Invalid('usage', `Generation ${target} is not kept, or cannot be restored.`, {
      advice: `These can: ${sound.join(', ') || 'none'}.`,
    });
  }
  const orphans = await findOrphans(stores.objects, head, {
    nowMs: systemClock.now(),
    heads: stores.store,
  });
  const restoreFrom = target === newest && !damaged ? null : target;
  return {
    head,
    report,
    restoreFrom,
    givenUp: report.generations.filter((item) => !item.restorable).map(({ generation }) => generation),
    leftovers: { objects: orphans.length, bytes: orphans.reduce((sum, { bytes }) => sum + bytes, 0) },
  };
}

function explain({ terminal }: CliContext, plan: Plan): void {
  const { head, report, restoreFrom, givenUp, leftovers } = plan;
  terminal.line(`${terminal.style('bold', harmless(chatName(head.sessionKey)))}  session ${head.sessionId}`);
  terminal.line(
    `generation ${head.generation}; ${report.packs} packs, ${bytesText(report.bytes)} read and checked`,
  );
  for (const { message } of report.problems) {
    terminal.line(`${terminal.style('red', 'damaged')}  ${harmless(message)}`);
  }
  if (restoreFrom === null && leftovers.objects === 0) {
    terminal.line('Nothing to repair.');
    return;
  }
  terminal.line('This would be done:');
  if (restoreFrom !== null) {
    terminal.line(`- Generation ${head.generation + 1} is made of the files of generation ${restoreFrom}.`);
  }
  if (givenUp.length > 0) {
    terminal.line(`- Given up, because they cannot be read: generation ${givenUp.join(', ')}.`);
    terminal.line('  If a backup of the data folder still has what is missing, put that back instead.');
  }
  if (leftovers.objects > 0) {
    const { objects, bytes } = leftovers;
    terminal.line(`- ${objects} objects that nothing refers to are removed (${bytesText(bytes)}).`);
  }
}

function planView({ head, report, restoreFrom, givenUp, leftovers }: Plan) {
  return {
    session_id: head.sessionId,
    chat: chatName(head.sessionKey),
    generation: head.generation,
    problems: report.problems,
    generations: report.generations,
    go_back_to: restoreFrom,
    given_up: givenUp,
    leftovers,
  };
}

/** Returns the newest generation after the repair. */
async function carryOut(stores: Stores, plan: Plan): Promise<number> {
  const { store, objects, state, keepGenerations } = stores;
  const { tenant, sessionId } = plan.head;
  const owner = `repair-${randomUUID()}`;
  const { lease, head } = await store.lease({ tenant, sessionId, owner, leaseMs: LEASE_MS });
  try {
    if (head.generation !== plan.head.generation) {
      throw new Conflict('session-changed', 'A turn changed the session meanwhile; nothing was done.', {
        advice: 'Run it again.',
      });
    }
    let now = head;
    if (plan.restoreFrom !== null && head.state !== null) {
      const generation = head.generation + 1;
      const sound = plan.report.generations.filter(({ restorable }) => restorable);
      const restorable = new Set(sound.map((item) => item.generation));
      const repaired = repairedState(head.state, plan.restoreFrom, generation, restorable, keepGenerations);
      await store.advance({ lease, baseGeneration: head.generation, generation, state: repaired });
      now = { ...head, generation, state: repaired };
    }
    const orphans = await findOrphans(objects, now, { nowMs: systemClock.now(), heads: store });
    await state.collect(orphans.map(({ key }) => key));
    return now.generation;
  } finally {
    await store.release(lease);
  }
}
