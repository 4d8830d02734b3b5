// `sessions verify`: reads all bytes of every stored generation, checks them against their hashes, and says which
// sessions can be restored. A session counts as damaged even when only an older generation is.
import type { Tenant } from '../core/ids.ts';
import type { ObjectStore, SessionStore } from '../core/ports.ts';
import type { SessionHead } from '../core/records.ts';
import { verifyState } from '../state/verify.ts';
import { harmless } from '../text/harmless.ts';
import type { CliContext, DataOptions } from './context.ts';
import { EXIT } from './failure.ts';
import { chatName, findConversation, tenantOption, withStores } from './lookup.ts';
import { counted } from './terminal.ts';

interface Finding {
  readonly session_id: string;
  readonly chat: string;
  readonly generation: number;
  /** The newest generation is undamaged, so the next turn can run. */
  readonly readable: boolean;
  readonly restorable: readonly number[];
  readonly packs: number;
  readonly bytes: number;
  readonly problems: readonly string[];
}

/** Returns the exit code. */
export async function verify(
  context: CliContext,
  chat: string | undefined,
  options: DataOptions,
): Promise<number> {
  const { terminal } = context;
  return await withStores(context, options, async ({ store, objects }) => {
    const tenant = tenantOption(options);
    const heads =
      chat === undefined
        ? await allHeads(store, tenant)
        : [(await findConversation(store, chat, tenant)).head];
    const bar = terminal.progress('verify');
    const findings: Finding[] = [];
    for (const head of heads) {
      const finding = await check(objects, store, head);
      if (finding) findings.push(finding);
      bar.update(findings.length, heads.length);
    }
    bar.end();
    const damaged = findings.filter(({ problems }) => problems.length > 0);
    if (options.json) terminal.json({ sessions: findings, damaged: damaged.length });
    else {
      for (const { session_id, chat: name, problems } of damaged) {
        const about = `${session_id}  ${harmless(name)}`;
        for (const problem of problems) {
          terminal.line(`${terminal.style('red', 'damaged')}  ${about}  ${harmless(problem)}`);
        }
      }
      terminal.line(
        `${findings.length - damaged.length} of ${counted(findings.length, 'session')} can be read back whole.`,
      );
      if (damaged.length > 0)
        terminal.note('`hybrid-sessions sessions repair <chat>` says what can be done.');
    }
    return damaged.length > 0 ? EXIT.corrupt : EXIT.ok;
  });
}

/** Checks one session; null when it is gone. A turn that ends meanwhile may delete old packs: then it checks again. */
async function check(objects: ObjectStore, store: SessionStore, head: SessionHead): Promise<Finding | null> {
  for (let current = head; ; ) {
    const report = await verifyState(objects, current);
    const newest = report.generations.at(-1);
    const problems = report.problems.map(({ message }) => message);
    if (current.generation > 0 && !newest && problems.length === 0) problems.push('Its head names no state.');
    if (problems.length > 0) {
      const now = await store.getHead(current.tenant, current.sessionId);
      if (now === null) return null;
      if (JSON.stringify(now.state) !== JSON.stringify(current.state)) {
        current = now;
        continue;
      }
    }
    return {
      session_id: current.sessionId,
      chat: chatName(current.sessionKey),
      generation: current.generation,
      readable: current.generation === 0 || newest?.restorable === true,
      restorable: report.generations.flatMap((item) => (item.restorable ? item.generation : [])),
      packs: report.packs,
      bytes: report.bytes,
      problems,
    };
  }
}

export async function allHeads(store: SessionStore, tenant: Tenant): Promise<SessionHead[]> {
  const heads: SessionHead[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listHeads(tenant, { limit: 200, ...(cursor && { cursor }) });
    heads.push(...page.items);
    cursor = page.cursor;
  }
  return heads;
}
